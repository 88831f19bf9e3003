//! The command `srdiff`.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    quiet_device_layer();
    cli::run()
}

/// Disables Mesa's Vulkan layer that sorts devices as the desktop does. Without
/// a desktop session it would complain on stderr.
fn quiet_device_layer() {
    if cfg!(target_os = "linux") && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: no other thread runs yet that could read the environment.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}
