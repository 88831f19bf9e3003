//! Small models for tests, from the weights of the project's own fixtures.
#![allow(dead_code)] // no test uses all of it

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use srdiff::graph::{Graph, Role, ValueId};
use srdiff::model::{Model, Weights};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    folder.join(format!("{name}.safetensors"))
}

/// The model of a fixture.
pub fn model(name: &str) -> Model {
    let weights = Weights::open_with_prefix(fixture(name), "weights.").unwrap();
    Model::from_weights(weights).unwrap()
}

/// Turns temporaries into outputs, so that they can be read after their phase.
/// A view is kept by keeping the whole that it is part of.
pub fn keep(graphs: &mut [Graph], names: &dyn Fn(&str) -> bool) {
    for graph in graphs {
        let ids = || (0..graph.values.len()).map(ValueId);
        let kept: Vec<ValueId> = ids()
            .filter(|&id| names(&graph.value(id).name))
            .map(|id| graph.root(id))
            .collect();
        let roots: Vec<ValueId> = ids().map(|id| graph.root(id)).collect();
        for (value, root) in graph.values.iter_mut().zip(roots) {
            if value.role == Role::Temporary && kept.contains(&root) {
                value.role = Role::Output;
            }
        }
    }
}

/// The model of a fixture as a file that can be tampered with.
pub struct ModelFile {
    pub tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    pub metadata: HashMap<String, String>,
}

impl ModelFile {
    pub fn of(name: &str) -> Self {
        let bytes = std::fs::read(fixture(name)).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.iter().filter_map(|(name, view)| {
            let name = name.strip_prefix("weights.")?.to_owned();
            let values = view.data().chunks_exact(4);
            let values = values.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            Some((name, (view.shape().to_vec(), values.collect())))
        });
        Self {
            tensors: tensors.collect(),
            metadata: header.metadata().clone().unwrap(),
        }
    }

    /// Makes its residuals small. Its weights are random, so results would not
    /// match their images else.
    pub fn tamed(mut self) -> Self {
        let config = self.metadata.get_mut("config").unwrap();
        let mut settings: serde_json::Value = serde_json::from_str(config).unwrap();
        settings["res_rescale"] = 16.0.into();
        *config = settings.to_string();
        self
    }

    /// Shape and values of a tensor.
    pub fn tensor(&mut self, name: &str) -> &mut (Vec<usize>, Vec<f32>) {
        self.tensors.get_mut(name).unwrap()
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let bytes = |values: &[f32]| -> Vec<u8> {
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect()
        };
        let data: Vec<(&String, &Vec<usize>, Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(name, (shape, values))| (name, shape, bytes(values)))
            .collect();
        let views = data.iter().map(|(name, shape, data)| {
            let view = TensorView::new(safetensors::Dtype::F32, (*shape).clone(), data);
            (*name, view.unwrap())
        });
        safetensors::serialize(views, Some(self.metadata.clone())).unwrap()
    }
}
