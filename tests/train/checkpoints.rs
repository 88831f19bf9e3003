//! Checkpoints that cannot be gone on from: damaged ones, other files, and those of
//! another training.

use super::photos::{Folder, batches};
use super::resuming::{cpu, two_steps};
use rayon::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use srdiff::model::Model;
use srdiff::train::data::Degradation;
use srdiff::train::{Checkpoint, CheckpointProblem, NewModel, Rules, Session, SessionError, Stage};
use std::collections::{BTreeMap, HashMap};
use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const STAGE: Stage = Stage::Denoiser;

/// As small as a model can be made.
fn model(hidden: usize) -> Model {
    let new = NewModel {
        hidden,
        mults: vec![1],
        features: 8,
        blocks: 2,
        scale: 2,
        groups: None,
    };
    new.make(1).unwrap()
}

fn session(
    folder: &Folder,
    model: Model,
    resumed: Option<(&Checkpoint, &Path)>,
) -> Result<Session, SessionError> {
    let sizes = (STAGE, 1, 8);
    let degradation = Degradation::default();
    let batches = batches(folder, model.settings(), sizes, degradation, u64::MAX);
    let options = two_steps(STAGE);
    Session::new(&cpu(), Arc::new(model), None, batches, options, resumed)
}

/// A folder with `run.checkpoint`, of one step.
fn with_checkpoint() -> (Folder, PathBuf) {
    let folder = Folder::with_images();
    let mut session = session(&folder, model(4), None).unwrap();
    session.step().unwrap();
    let file = folder.path("run.checkpoint");
    session.checkpoint().unwrap().save(&file).unwrap();
    (folder, file)
}

/// Why a checkpoint is refused, once the message is one that helps: it names the
/// file, and says nothing of model files.
fn refused(file: &Path, what: &str) -> CheckpointProblem {
    let Err(error) = Checkpoint::open(file) else {
        panic!("{what} is accepted");
    };
    let said = error.to_string();
    assert!(
        said.starts_with(&format!("{}: ", file.display())),
        "{what}: {said}"
    );
    let mut advice = ["begin anew", "give the file that the training saved"].iter();
    assert!(advice.any(|part| said.contains(part)), "{what}: {said}");
    for of_models in ["convert", "fetch", "model file"] {
        assert!(!said.contains(of_models), "{what}: {said}");
    }
    error.problem
}

#[test]
fn every_damaged_byte_is_noticed() {
    let (folder, file) = with_checkpoint();
    let whole = std::fs::read(&file).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let data = (header..whole.len()).step_by((whole.len() - header) / 300);
    let places: Vec<usize> = (0..header).chain(data).chain([whole.len() - 1]).collect();
    // Each bit in turn, and what is read as if it were still a space.
    let damages = places.iter().map(|&at| {
        let byte = whole[at];
        (at, byte ^ (1 << (at % 8)))
    });
    let spaces = (0..header).filter(|&at| whole[at] == b' ');
    let damages: Vec<(usize, u8)> = damages.chain(spaces.map(|at| (at, b'\n'))).collect();
    assert!(damages.len() > header + 300);
    let parts: Vec<&[(usize, u8)]> = damages.chunks(damages.len().div_ceil(8)).collect();
    parts.par_iter().enumerate().for_each(|(part, damages)| {
        let file = folder.path(&format!("{part}.checkpoint"));
        std::fs::write(&file, &whole).unwrap();
        let mut writer = OpenOptions::new().write(true).open(&file).unwrap();
        let mut write = |at: usize, byte: u8| {
            writer.seek(SeekFrom::Start(at as u64)).unwrap();
            writer.write_all(&[byte]).unwrap();
        };
        for &(at, byte) in *damages {
            write(at, byte);
            let problem = refused(&file, &format!("{byte:#04x} at {at} of {header}"));
            let is_damage = matches!(
                problem,
                CheckpointProblem::Damaged | CheckpointProblem::Format(_)
            );
            assert!(is_damage, "{byte:#04x} at {at}: {problem}");
            write(at, whole[at]);
        }
        Checkpoint::open(&file).unwrap();
    });
}

#[test]
fn truncated_and_longer_files_are_refused() {
    let (_folder, file) = with_checkpoint();
    let whole = std::fs::read(&file).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for length in [
        0,
        1,
        7,
        8,
        9,
        header / 2,
        header - 1,
        header,
        header + 1,
        (header + whole.len()) / 2,
        whole.len() - 4,
        whole.len() - 1,
    ] {
        std::fs::write(&file, &whole[..length]).unwrap();
        let problem = refused(&file, &format!("{length} bytes"));
        match length {
            0 => assert!(matches!(problem, CheckpointProblem::Read(_)), "{problem}"),
            _ => assert!(matches!(problem, CheckpointProblem::Format(_)), "{problem}"),
        }
    }
    std::fs::write(&file, [&whole[..], &[0; 4]].concat()).unwrap();
    refused(&file, "a longer file");
}

/// A checkpoint whose checksum is right whatever else is not.
struct Parts {
    tensors: BTreeMap<String, (Vec<usize>, Vec<u8>)>,
    metadata: HashMap<String, String>,
}

impl Parts {
    fn of(file: &Path) -> Self {
        let bytes = std::fs::read(file).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = tensors.iter().map(|(name, view)| {
            let parts = (view.shape().to_vec(), view.data().to_vec());
            (name.to_owned(), parts)
        });
        Self {
            tensors: tensors.collect(),
            metadata: header.metadata().clone().unwrap(),
        }
    }

    fn write(&self, file: &Path) {
        let views = self.tensors.iter().map(|(name, (shape, data))| {
            let view = TensorView::new(Dtype::F32, shape.clone(), data).unwrap();
            (name.clone(), view)
        });
        let bytes = safetensors::serialize(views, Some(self.metadata.clone())).unwrap();
        let size = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let (header, data) = bytes[8..].split_at(size);
        let mut header: Value = serde_json::from_slice(header).unwrap();
        let metadata = header["__metadata__"].as_object_mut().unwrap();
        metadata.remove("checksum");
        header.sort_all_objects();
        let digest = Sha256::new()
            .chain_update(header.to_string())
            .chain_update(data)
            .finalize();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        header["__metadata__"]["checksum"] = format!("sha256:{hex}").into();
        header.sort_all_objects();
        let header = header.to_string();
        let size = (header.len() as u64).to_le_bytes();
        std::fs::write(file, [&size, header.as_bytes(), data].concat()).unwrap();
    }

    /// Changes what the training knows beside its tensors.
    fn set(&mut self, key: &str, value: Value) {
        let text = self.metadata.get_mut("srdiff_training").unwrap();
        let mut saved: Value = serde_json::from_str(text).unwrap();
        saved[key] = value;
        *text = saved.to_string();
    }
}

#[test]
fn whole_files_that_are_no_such_checkpoint_are_refused() {
    let (_folder, file) = with_checkpoint();
    let changed = |change: &dyn Fn(&mut Parts)| {
        let mut parts = Parts::of(&file);
        change(&mut parts);
        let other = file.with_extension("other");
        parts.write(&other);
        other
    };
    let same = changed(&|_| {});
    assert!(Checkpoint::open(&same).unwrap().model(&same).is_ok());

    let version = changed(&|parts| parts.set("version", 2.into()));
    let problem = refused(&version, "another version");
    assert!(matches!(problem, CheckpointProblem::Version), "{problem}");
    let renamed = changed(&|parts| parts.set("rules", json!({"name": 1})));
    let problem = refused(&renamed, "other rules");
    assert!(matches!(problem, CheckpointProblem::Version), "{problem}");
    let unnamed = changed(&|parts| {
        parts.metadata.remove("srdiff_training");
    });
    let problem = refused(&unnamed, "a file without `srdiff_training`");
    let is_none = matches!(problem, CheckpointProblem::NotCheckpoint);
    assert!(is_none, "{problem}");
    let no_config = changed(&|parts| {
        parts.metadata.remove("config");
    });
    let problem = refused(&no_config, "a file without settings");
    assert!(matches!(problem, CheckpointProblem::Model(_)), "{problem}");
    let no_model = changed(&|parts| parts.tensors.retain(|name, _| !name.starts_with("model.")));
    let problem = refused(&no_model, "a file without a model");
    assert!(matches!(problem, CheckpointProblem::Model(_)), "{problem}");
    refused(file.parent().unwrap(), "a folder");
    refused(&file.with_extension("none"), "no file");
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/srdiff-s-x4.safetensors");
    let problem = refused(&model, "a model");
    let is_none = matches!(problem, CheckpointProblem::NotCheckpoint);
    assert!(is_none, "{problem}");
}

/// A tensor's bytes with `change` made to its values.
type Change = fn(&mut (Vec<usize>, Vec<u8>));

#[test]
fn tensors_that_do_not_fit_are_named() {
    let (folder, file) = with_checkpoint();
    let half: Change = |(shape, data)| {
        let rest = shape[0] / 2 * (data.len() / shape[0]);
        shape[0] /= 2;
        data.truncate(rest);
    };
    let turned: Change = |(shape, _)| shape.swap(0, 1);
    let nan: Change = |(_, data)| data[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    let weight = "denoise_fn.downs.0.1.block1.block.1.weight";
    let cond = "denoise_fn.cond_proj.weight";
    for (state, change) in [
        ("model.", Some(half)),
        ("model.", Some(nan)),
        ("model.", None),
        ("adam.m.", Some(half)),
        ("adam.v.", Some(turned)),
        ("average.", None),
    ] {
        let name = format!("{state}{}", if state == "adam.v." { cond } else { weight });
        let mut parts = Parts::of(&file);
        match change {
            Some(change) => change(parts.tensors.get_mut(&name).unwrap()),
            None => drop(parts.tensors.remove(&name).unwrap()),
        }
        let other = folder.path("other");
        parts.write(&other);
        // Sizes of layers are read from the model's tensors, so opening it may tell.
        let error = Checkpoint::open(&other).and_then(|checkpoint| {
            let model = checkpoint.model(&other)?;
            match session(&folder, model, Some((&checkpoint, &other))) {
                Err(SessionError::Checkpoint(error)) => Err(error),
                Err(error) => panic!("{name}: {error}"),
                Ok(_) => Ok(()),
            }
        });
        let said = error.expect_err(&name).to_string();
        let named = name.strip_prefix("model.").unwrap_or(&name);
        let parts = [&format!("{}: ", other.display()), named, "; begin anew"];
        assert!(parts.iter().all(|part| said.contains(*part)), "{said}");
        assert!(!said.contains("convert"), "{said}");
    }
}

/// A checkpoint says that it does not go with another model, whoever opened it.
#[test]
fn another_model_does_not_go_on() {
    let (folder, file) = with_checkpoint();
    let checkpoint = Checkpoint::open(&file).unwrap();
    let resumed = |hidden| session(&folder, model(hidden), Some((&checkpoint, &file)));
    assert!(resumed(4).is_ok());
    let Err(SessionError::Checkpoint(error)) = resumed(8) else {
        panic!("a model of other sizes is accepted");
    };
    assert!(matches!(error.problem, CheckpointProblem::Tensor(_)));
    assert!(error.to_string().ends_with("begin anew"), "{error}");
}

#[test]
fn each_rule_counts_alone() {
    let (_folder, file) = with_checkpoint();
    let checkpoint = Checkpoint::open(&file).unwrap();
    let rules = serde_json::to_value(&checkpoint.saved.rules).unwrap();
    let others = [
        ("stage", "stage", json!("joint")),
        ("batch", "batch", json!(3)),
        ("accumulate", "accumulate", json!(2)),
        ("patch", "patch", json!(32)),
        ("seed", "seed", json!(12)),
        ("jpeg", "jpeg", json!([30, 90])),
        ("noise", "noise", json!([0.0, 0.5])),
        ("drawings", "drawings", json!(0.5)),
        ("halve", "halve", json!(false)),
        ("images", "images", json!(4)),
        ("fingerprint", "images", json!("0123")),
        ("contents", "images", json!("0123")),
        ("student", "student", json!("ddpm, 2 steps")),
        ("teacher", "teacher", json!("ddim, 8 steps, sha256:0")),
        ("loss", "loss", json!("l2")),
    ];
    let mut keys: Vec<&str> = others.iter().map(|(key, ..)| *key).collect();
    keys.sort_unstable();
    let all = rules.as_object().unwrap().keys();
    assert!(all.eq(keys), "there are other rules: {rules}");
    let check = |rules: &Value| {
        let rules: Rules = serde_json::from_value(rules.clone()).unwrap();
        checkpoint.check(&file, &rules)
    };
    check(&rules).unwrap();
    for (key, expected, value) in others {
        let mut other = rules.clone();
        assert_ne!(other[key], value);
        other[key] = value;
        match check(&other).map_err(|error| error.problem) {
            Err(CheckpointProblem::Differs { name, saved, given }) => {
                assert_eq!(name, expected, "{key}");
                assert_ne!(saved, given, "{key}");
            }
            other => panic!("{key}: {other:?}"),
        }
    }
}

/// Checkpoints of earlier versions do not say what was minimised, and know the images
/// by their names and sizes.
#[test]
fn what_is_not_known_may_be_any() {
    let (_folder, file) = with_checkpoint();
    let mut checkpoint = Checkpoint::open(&file).unwrap();
    let rules = checkpoint.saved.rules.clone();
    assert_eq!(rules.loss.as_deref(), Some("l1"));
    checkpoint.saved.rules.loss = None;
    checkpoint.saved.rules.contents = None;
    checkpoint.check(&file, &rules).unwrap();
}
