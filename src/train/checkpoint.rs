//! What a run needs to go on: tensors of the trainer, and where it was.

use super::{Progress, TrainError, Trainer};
use crate::atomic_file::{self, Fault};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensorError, SafeTensors};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Key of the position among the metadata.
const KEY: &str = "srdiff.training";

/// Where a run was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position {
    pub progress: Progress,
    /// Batches that were seen.
    pub batches: u64,
    /// Seconds of training.
    pub seconds: f64,
    /// The options that must be the same for it to go on, as text.
    pub options: String,
}

#[derive(Debug, Error)]
pub enum CheckpointError {
    #[error("{} {source}", path.display())]
    Write { path: PathBuf, source: Fault },
    #[error("{}: cannot be read ({source})", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{}: is no checkpoint of this training: {reason}", path.display())]
    Wrong { path: PathBuf, reason: String },
    #[error(transparent)]
    Train(#[from] TrainError),
}

/// Writes a checkpoint. What stood at `path` stays until the new one is whole.
///
/// # Errors
/// When the device fails, or the file cannot be written.
pub fn save(
    trainer: &mut Trainer,
    position: &Position,
    path: &Path,
) -> Result<(), CheckpointError> {
    let states: Vec<_> = trainer.states().collect();
    let mut tensors = Vec::with_capacity(states.len());
    for (name, shape) in states {
        let shape = vec![shape.n, shape.c, shape.h, shape.w];
        tensors.push((trainer.read(&name)?, name, shape));
    }
    let views = tensors.iter().map(|(elements, name, shape)| {
        let bytes = bytemuck::cast_slice(elements);
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
        (name, view.expect("as many bytes as the shape says"))
    });
    let text = serde_json::to_string(position).expect("plain data");
    let metadata = HashMap::from([(KEY.to_owned(), text)]);
    let bytes =
        safetensors::serialize(views, Some(metadata)).map_err(|error| CheckpointError::Wrong {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
    atomic_file::write(path, &bytes, true).map_err(|source| CheckpointError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Hands a checkpoint to a trainer of the same options, and returns where the run
/// was.
///
/// # Errors
/// When the file cannot be read, is damaged or of another training, or the device
/// fails.
pub fn resume(
    trainer: &mut Trainer,
    options: &str,
    path: &Path,
) -> Result<Position, CheckpointError> {
    let bytes = std::fs::read(path).map_err(|source| CheckpointError::Read {
        path: path.to_owned(),
        source,
    })?;
    let wrong = |reason: String| CheckpointError::Wrong {
        path: path.to_owned(),
        reason,
    };
    let damaged = |error: SafeTensorError| wrong(error.to_string());
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
    let text = header.metadata().as_ref().and_then(|data| data.get(KEY));
    let text = text.ok_or_else(|| wrong("it does not say where the run was".to_owned()))?;
    let position: Position =
        serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    if position.options != options {
        let reason = format!(
            "it was made with other options ({}), now they are {options}",
            position.options
        );
        return Err(wrong(reason));
    }
    let file = SafeTensors::deserialize(&bytes).map_err(damaged)?;
    let states: Vec<_> = trainer.states().collect();
    for (name, shape) in states {
        let tensor = file.tensor(&name).map_err(damaged)?;
        let expected = [shape.n, shape.c, shape.h, shape.w];
        if tensor.shape() != expected || tensor.dtype() != Dtype::F32 {
            return Err(wrong(format!("'{name}' has another shape")));
        }
        let elements = tensor.data().chunks_exact(4);
        let elements: Vec<f32> = elements
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        trainer.write_state(&name, &elements)?;
    }
    trainer.pack()?;
    trainer.resume(position.progress);
    Ok(position)
}
