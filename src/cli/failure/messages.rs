//! What the library says, in terms of the command's options.

use srdiff::image::ImageProblem;
use srdiff::model::convert::{ConvertError, ConvertProblem};
use srdiff::plan::Precision;
use srdiff::upscale::{DeviceError, UpscaleError};

/// Options as the library's messages name them, and the flags that set them.
const FLAGS: [(&str, &str); 16] = [
    ("`amount`", "--amount"),
    ("`attention_heads`", "--attention-heads"),
    ("`consistent`", "--consistent"),
    ("`eta`", "--eta"),
    ("`groups`", "--groups"),
    ("`lr_up_divisor`", "--lr-up-divisor"),
    ("`memory_limit`", "--memory-limit"),
    ("`overwrite`", "--force"),
    ("`precision`", "--precision"),
    ("`res_rescale`", "--res-rescale"),
    ("`schedule`", "--schedule"),
    ("`steps`", "--steps"),
    ("`strength`", "--strength"),
    ("`tile`", "--tile"),
    ("`timesteps`", "--timesteps"),
    ("`wrap`", "--wrap"),
];

/// A message of the library about its options, with the flags that set them.
pub fn with_flags(message: &str) -> String {
    named_as_flags(message, &FLAGS)
}

/// A message in which options are named as the flags beside them.
pub fn named_as_flags(message: &str, flags: &[(&str, &str)]) -> String {
    flags
        .iter()
        .fold(message.to_owned(), |message, (option, flag)| {
            message.replace(option, flag)
        })
}

/// Why a conversion failed. Flags replace names only in problems with options:
/// settings of model files have some of the same names, and a file may have any.
pub fn of_conversion(error: &ConvertError) -> String {
    let ConvertError { subject, problem } = error;
    match problem {
        ConvertProblem::Option(_) => with_flags(&error.to_string()),
        ConvertProblem::GroupsNeeded(_)
        | ConvertProblem::ScheduleUnknown(_)
        | ConvertProblem::Timesteps { .. }
        | ConvertProblem::Exists => format!("{subject}: {}", with_flags(&problem.to_string())),
        _ => error.to_string(),
    }
}

/// What the library says, in terms of the command's options.
pub fn with_options(error: &UpscaleError) -> String {
    let UpscaleError::Device(device) = error else {
        return match error {
            UpscaleError::NotFinite {
                precision: Precision::F16,
                ..
            } => format!("{error} (--precision f32)"),
            UpscaleError::Sampler(_)
            | UpscaleError::Option { .. }
            | UpscaleError::TooLarge(_)
            | UpscaleError::WrapSize { .. }
            | UpscaleError::NotExported(_) => with_flags(&error.to_string()),
            UpscaleError::NothingToTune(_) => {
                format!("{error} with --device (`srdiff devices` lists them)")
            }
            UpscaleError::NoKernel { .. } => format!("{error} (--device cpu)"),
            UpscaleError::Lost { .. } => format!("{error}, or keep it with --allow-mismatch"),
            error => error.to_string(),
        };
    };
    of_choice(device)
}

/// What is wrong with a choice of device.
pub fn of_choice(device: &DeviceError) -> String {
    match device {
        DeviceError::NoGpu { .. } => format!("--device gpu: {device} (--device cpu)"),
        DeviceError::Unknown { asked, listed } => format!(
            "--device {asked}: there is no such device ({listed}); choose auto, cpu, gpu, or an index or name that `srdiff devices` lists"
        ),
        DeviceError::Ambiguous { asked, .. } => format!("--device {asked}: {device}"),
        DeviceError::Software { index, name } => format!(
            "--device {index}: {device} (--device {}), or use --device cpu",
            own_name(name)
        ),
        DeviceError::NoF16 { .. } => format!("--precision f16: {device} (--precision f32)"),
        DeviceError::NoBf16 { .. } => format!("--precision bf16: {device} (--precision f32)"),
    }
}

/// The same where the device is to be a GPU.
pub fn of_gpu(device: &DeviceError) -> String {
    match device {
        DeviceError::NoGpu { listed } => {
            format!(
                "--device gpu: no GPU was found ({listed}), and without one there is nothing to tune"
            )
        }
        DeviceError::Software { index, name } => {
            format!("--device {index}: {device} (--device {})", own_name(name))
        }
        device => of_choice(device),
    }
}

/// The name of an adapter without its version, as a shell takes it.
fn own_name(name: &str) -> String {
    let name = name.split(" (").next().unwrap_or(name);
    match name.contains(' ') {
        true => format!("\"{name}\""),
        false => name.to_owned(),
    }
}

/// Options of `upscale` that help with a picture or a place for one.
pub fn options_for(problem: &ImageProblem) -> &'static str {
    match problem {
        ImageProblem::Incomplete(_) => ", or read what is there with --tolerant",
        ImageProblem::Exists => " (--force)",
        ImageProblem::TooLarge { .. } => ", or allow more with --max-pixels",
        _ => "",
    }
}

/// Options that help with a picture.
pub fn options_for_input(problem: &ImageProblem) -> &'static str {
    match problem {
        ImageProblem::NotRegular => ", or send it into standard input, as in `srdiff - < FILE`",
        problem => options_for(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::Failure;
    use srdiff::diffusion::{BetaSchedule, SamplerError, ScheduleError};
    use srdiff::model::SettingsError;
    use srdiff::model::convert::{ConvertOptions, convert};
    use std::path::Path;

    /// What the user reads when a conversion of `in.ckpt` fails.
    fn conversion(problem: ConvertProblem) -> String {
        let subject = "in.ckpt".to_owned();
        Failure::from(ConvertError { subject, problem }).to_string()
    }

    #[test]
    fn options_of_a_conversion_are_named_as_flags() {
        let none = ConvertOptions::default;
        let linear = BetaSchedule::Linear {
            start: 2.0,
            end: 3.0,
        };
        #[rustfmt::skip]
        let wrong = [
            (ConvertOptions { groups: Some(0), ..none() }, "--groups 0: "),
            (ConvertOptions { attention_heads: Some(0), ..none() }, "--attention-heads 0: "),
            (ConvertOptions { res_rescale: Some(-1.0), ..none() }, "--res-rescale -1.0: "),
            (ConvertOptions { lr_up_divisor: Some(-1.0), ..none() }, "--lr-up-divisor -1.0: "),
            (ConvertOptions { timesteps: Some(0), ..none() }, "--timesteps 0: "),
            (ConvertOptions { schedule: Some(linear), ..none() }, "--schedule linear:2:3: "),
        ];
        for (options, start) in wrong {
            let error = convert(Path::new("absent"), Path::new("out"), &options).unwrap_err();
            let message = Failure::from(error).to_string();
            assert!(message.starts_with(start), "{message}");
            assert!(!message.contains('`'), "{message}");
        }

        let (given, found) = (50, 100);
        for (problem, end) in [
            (
                ConvertProblem::GroupsNeeded("norm".to_owned()),
                "give `gn_groups` of its training settings with --groups",
            ),
            (
                ConvertProblem::ScheduleUnknown(20),
                "give the schedule it was trained with by --schedule",
            ),
            (
                ConvertProblem::Timesteps { given, found },
                "leave --timesteps out",
            ),
            (ConvertProblem::Exists, "replace it with --force"),
        ] {
            let message = conversion(problem);
            assert!(message.starts_with("in.ckpt: "), "{message}");
            assert!(message.ends_with(end), "{message}");
        }
    }

    #[test]
    fn settings_and_files_that_are_called_like_options_keep_their_names() {
        let message = conversion(ConvertProblem::Settings(SettingsError::Schedule(
            ScheduleError::Timesteps(5000),
        )));
        assert!(message.contains("correct `timesteps` in"), "{message}");
        let message = Failure::from(ConvertError {
            subject: "`groups`".to_owned(),
            problem: ConvertProblem::Exists,
        });
        assert!(message.to_string().starts_with("`groups`: "), "{message}");
    }

    #[test]
    fn options_of_sampling_are_named_as_flags() {
        let (steps, timesteps) = (101, 100);
        for (error, start) in [
            (SamplerError::Steps { steps, timesteps }, "--steps 101: "),
            (SamplerError::Eta(1.5), "--eta 1.5: "),
        ] {
            let failure = Failure::upscaling("in.png")(error.into());
            let message = failure.to_string();
            assert!(message.starts_with(start), "{message}");
            assert!(!message.contains('`'), "{message}");
        }
    }
}
