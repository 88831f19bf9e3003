//! Signals: a first one stops after the current step, a second one at once.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Whether a signal has asked to stop.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

impl Stop {
    /// Listens for Ctrl-C, SIGTERM and SIGHUP.
    pub fn on_signals() -> Self {
        let stop = Self::default();
        let again = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // This order makes the first signal arm what the second one does.
            // Where a signal cannot be listened for, it ends the process as ever.
            let _ = flag::register_conditional_shutdown(signal, 128 + signal, again.clone());
            let _ = flag::register(signal, again.clone());
            let _ = flag::register_usize(signal, stop.signal.clone(), signal as usize);
            let _ = flag::register(signal, stop.asked.clone());
        }
        #[cfg(unix)]
        stop.on_hangup();
        stop
    }

    /// A terminal that is closed may send several SIGHUPs, and a system that shuts down
    /// SIGTERM after one: it arms nothing. Where it is ignored (`nohup`), it stays so.
    #[cfg(unix)]
    fn on_hangup(&self) {
        use signal_hook::consts::SIGHUP;
        let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: without a new action, it writes what there is to `action`, of which
        // all zeros is a value, too.
        let is_ignored = unsafe {
            libc::sigaction(SIGHUP, std::ptr::null(), action.as_mut_ptr());
            action.assume_init().sa_sigaction == libc::SIG_IGN
        };
        if !is_ignored {
            let _ = flag::register_usize(SIGHUP, self.signal.clone(), SIGHUP as usize);
            let _ = flag::register(SIGHUP, self.asked.clone());
        }
    }

    /// Whether to stop.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Whether work goes on, for what asks between its steps.
    pub fn flow(&self) -> ControlFlow<()> {
        match self.is_asked() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    /// The exit code that tells which signal it was, as shells form it.
    pub fn exit_code(&self) -> u8 {
        128 + self.signal.load(Ordering::Relaxed) as u8
    }
}

/// Lets a write that passes the limit on the size of files fail as on a full
/// disk. By default the signal ends the process.
pub fn ignore_file_size_limit() {
    #[cfg(unix)]
    {
        let unused = Arc::new(AtomicBool::new(false));
        let _ = flag::register(signal_hook::consts::SIGXFSZ, unused);
    }
}
