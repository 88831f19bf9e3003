//! The command line; `srdiff --help` says what it does.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    quiet_device_layer();
    cli::run()
}

/// Leaves out Mesa's Vulkan layer that sorts devices as the desktop does, where
/// there is no desktop session: it would complain on stderr that it finds none.
/// Devices are chosen by their type here, not by their order.
fn quiet_device_layer() {
    if cfg!(target_os = "linux") && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: the first thing that the program does; there is no other
        // thread that could read the environment meanwhile.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}
