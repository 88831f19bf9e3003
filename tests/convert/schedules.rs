//! Noise schedules that are recognised by a checkpoint's `betas`.

use half::{bf16, f16};
use srdiff::{
    diffusion::{BetaSchedule, Schedule},
    model::convert::{ConvertOptions, ScheduleSource},
};

use crate::files::{Folder, expected, le_bytes};

const COSINE: BetaSchedule = BetaSchedule::Cosine { s: 0.008 };

/// A storage class, and the bytes of a number in it.
type Format = (&'static str, fn(f64) -> Vec<u8>);

const F64: Format = ("DoubleStorage", |v| v.to_le_bytes().to_vec());
const F32: Format = ("FloatStorage", |v| (v as f32).to_le_bytes().to_vec());
const F16: Format = ("HalfStorage", |v| f16::from_f64(v).to_le_bytes().to_vec());
const BF16: Format = ("BFloat16Storage", |v| {
    bf16::from_f64(v).to_le_bytes().to_vec()
});

fn text(text: &str) -> Vec<u8> {
    let size = u32::try_from(text.len()).unwrap().to_le_bytes();
    [b"X", &size[..], text.as_bytes()].concat()
}

fn int(value: usize) -> Vec<u8> {
    let value = u32::try_from(value).unwrap().to_le_bytes();
    [b"J", &value[..]].concat()
}

fn tuple(items: &[usize]) -> Vec<u8> {
    let items: Vec<Vec<u8>> = items.iter().map(|&item| int(item)).collect();
    [b"(", &items.concat()[..], b"t"].concat()
}

/// A contiguous tensor, the whole of the storage of its name.
fn tensor(name: &str, class: &str, shape: &[usize]) -> Vec<u8> {
    let strides: Vec<usize> = (1..=shape.len())
        .map(|axis| shape[axis..].iter().product())
        .collect();
    [
        text(name),
        b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
        text("storage"),
        format!("ctorch\n{class}\n").into_bytes(),
        text(name),
        text("cpu"),
        int(shape.iter().product()),
        b"tQ".to_vec(),
        int(0),
        tuple(shape),
        tuple(&strides),
        b"\x89NtR".to_vec(),
    ]
    .concat()
}

/// A legacy checkpoint of a whole model with these `betas`.
fn checkpoint(betas: &[f64], (class, bytes): Format) -> Vec<u8> {
    let betas_data: Vec<u8> = betas.iter().flat_map(|&beta| bytes(beta)).collect();
    let mut object = b"\x80\x02}(".to_vec();
    let mut keys = b"\x80\x02](".to_vec();
    let mut data = Vec::new();
    let mut add = |name: &str, class: &str, shape: &[usize], bytes: &[u8]| {
        object.extend(tensor(name, class, shape));
        keys.extend(text(name));
        data.extend((shape.iter().product::<usize>() as u64).to_le_bytes());
        data.extend(bytes);
    };
    add("betas", class, &[betas.len()], &betas_data);
    let weights = expected("trainer.");
    for name in weights.names() {
        let tensor = weights.tensor(name).unwrap();
        add(
            name,
            "FloatStorage",
            &tensor.shape,
            &le_bytes(&tensor.values),
        );
    }
    let mut file = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
    file.extend(b"\x80\x02M\xe9\x03.\x80\x02}.");
    file.extend([object, b"u.".to_vec(), keys, b"e.".to_vec(), data].concat());
    file
}

fn betas(schedule: &BetaSchedule, timesteps: usize) -> Vec<f64> {
    let schedule = Schedule::new(schedule, timesteps).unwrap();
    schedule.betas().to_vec()
}

/// The schedule that a checkpoint with these `betas` converts to.
fn recognised(betas: &[f64], format: Format) -> Result<BetaSchedule, String> {
    let folder = Folder::new();
    let checkpoint = checkpoint(betas, format);
    let (model, report) = folder.convert_bytes(&checkpoint, &ConvertOptions::default())?;
    assert_eq!(report.schedule_source, ScheduleSource::Recognised);
    assert_eq!(model.settings().timesteps, betas.len());
    Ok(model.settings().schedule.clone())
}

#[test]
fn schedules_are_recognised_in_every_format() {
    let linear = BetaSchedule::Linear {
        start: 1e-4,
        end: 0.02,
    };
    for schedule in [COSINE, linear] {
        for timesteps in [3, 50, 100, 1000] {
            for format in [F64, F32, F16, BF16] {
                let found = recognised(&betas(&schedule, timesteps), format);
                let case = format!("{timesteps} {}", format.0);
                assert_eq!(found, Ok(schedule.clone()), "{case}");
            }
        }
    }
}

#[test]
fn the_ends_of_another_line_are_found() {
    for (start, end) in [(1e-4, 0.06), (1e-3, 0.01), (5e-4, 0.5)] {
        let schedule = BetaSchedule::Linear { start, end };
        let found = recognised(&betas(&schedule, 100), F32);
        assert_eq!(found, Ok(schedule));
    }
}

#[test]
fn other_betas_are_not_recognised() {
    let mut bent = betas(&COSINE, 100);
    bent[40] *= 1.0001;
    let other = betas(&BetaSchedule::Cosine { s: 0.01 }, 100);
    for betas in [bent, other, Vec::new()] {
        let error = recognised(&betas, F32).unwrap_err();
        assert!(error.contains("of no known noise schedule"), "{error}");
    }
}
