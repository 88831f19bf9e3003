//! `srdiff photo.jpg` for `srdiff upscale photo.jpg`.

use super::args::CommandLine;
use clap::CommandFactory;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// The arguments, with `upscale` where an image or an option of it stands in
/// the place of a command.
pub fn completed(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    if args.get(1).is_some_and(|first| is_of_upscale(first)) {
        args.insert(1, "upscale".into());
    }
    args
}

fn is_of_upscale(first: &OsStr) -> bool {
    let is_command = |name: &OsStr| {
        let commands = CommandLine::command();
        name == "help" || commands.get_subcommands().any(|c| name == c.get_name())
    };
    let text = first.to_string_lossy();
    if text.starts_with('-') {
        return !["-h", "--help", "-V", "--version"].contains(&&*text);
    }
    // A word that is no path is a command misspelt, which clap knows best how
    // to report.
    !is_command(first) && (text.contains(['.', '/', '\\', '*', '?']) || Path::new(first).exists())
}

#[cfg(test)]
mod tests {
    use super::completed;

    #[test]
    fn pictures_and_options_alone_are_upscaled() {
        let second = |args: &[&str]| {
            let args = [&["srdiff"], args].concat();
            let completed = completed(args.iter().map(Into::into));
            completed.get(1).cloned().unwrap_or_default()
        };
        for first in ["a.png", "no/b", "-", "-o", "--json", "./plan", "*", "src"] {
            assert_eq!(second(&[first, "x"]), "upscale", "{first}");
        }
        for first in ["upscale", "plan", "help", "upscael", "-h", "--version"] {
            assert_eq!(second(&[first, "a.png"]), first, "{first}");
        }
        assert_eq!(second(&[]), "");
    }
}
