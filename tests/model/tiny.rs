//! A whole model of a few hundred numbers, to be changed and written.

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use srdiff::diffusion::BetaSchedule;
use srdiff::model::{Attention, Model, ModelError, Settings, Weights, expected_tensors};
use std::collections::{BTreeMap, HashMap};

/// What messages call the file.
pub const LABEL: &str = "tiny.safetensors";

/// The settings of the model, before any change.
pub fn settings() -> Settings {
    Settings {
        hidden: 4,
        mults: vec![1, 2],
        rrdb_features: 4,
        rrdb_blocks: 2,
        rrdb_growth: 2,
        scale: 2,
        groups: None,
        attention: None,
        up_input: false,
        has_sr_head: true,
        timesteps: 10,
        schedule: BetaSchedule::Cosine { s: 0.008 },
        res_rescale: 2.0,
        lr_up_divisor: 255.0,
        clip_input: true,
        clip_denoised: true,
        distilled: None,
    }
}

/// Settings with everything that a model can have.
pub fn all_options() -> Settings {
    Settings {
        groups: Some(2),
        attention: Some(Attention {
            heads: 2,
            head_dim: 4,
        }),
        up_input: true,
        ..settings()
    }
}

/// A model file in the making.
#[derive(Clone)]
pub struct Tiny {
    pub tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
    /// The metadata key `config`.
    pub config: Option<Value>,
}

impl Tiny {
    pub fn new(settings: &Settings) -> Self {
        let mut tiny = Self {
            tensors: BTreeMap::new(),
            config: Some(serde_json::from_str(&settings.to_config()).expect("JSON")),
        };
        for (name, shape) in expected_tensors(settings) {
            let count = shape.iter().product();
            let values: Vec<f32> = (0..count).map(|i| (i as f32 * 0.7).sin()).collect();
            tiny.put(&name, &shape, &values);
        }
        tiny
    }

    /// Adds or replaces a tensor of f32.
    pub fn put(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.put_bytes(name, Dtype::F32, shape, bytes);
    }

    pub fn put_bytes(&mut self, name: &str, dtype: Dtype, shape: &[usize], bytes: Vec<u8>) {
        let tensor = (dtype, shape.to_vec(), bytes);
        self.tensors.insert(name.to_owned(), tensor);
    }

    /// Replaces a tensor by zeros of another shape.
    pub fn reshape(&mut self, name: &str, shape: &[usize]) {
        assert!(self.tensors.contains_key(name), "no '{name}' to reshape");
        self.put(name, shape, &vec![0.0; shape.iter().product()]);
    }

    pub fn remove(&mut self, name: &str) {
        self.tensors.remove(name).expect(name);
    }

    pub fn shape(&self, name: &str) -> Vec<usize> {
        self.tensors[name].1.clone()
    }

    /// The elements of a tensor of f32.
    pub fn values(&self, name: &str) -> Vec<f32> {
        let chunks = self.tensors[name].2.chunks_exact(4);
        chunks
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
            .collect()
    }

    /// Sets a key of the config; null removes it.
    pub fn set(&mut self, key: &str, value: Value) {
        let config = self.config.get_or_insert_with(|| json!({}));
        if value.is_null() {
            config.as_object_mut().unwrap().remove(key);
        } else {
            config[key] = value;
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let views = self.tensors.iter().map(|(name, (dtype, shape, bytes))| {
            let view = TensorView::new(*dtype, shape.clone(), bytes);
            (name, view.expect("bytes of that shape"))
        });
        let metadata = self
            .config
            .as_ref()
            .map(|config| HashMap::from([("config".to_owned(), config.to_string())]));
        safetensors::serialize(views, metadata).expect("a file")
    }

    pub fn open(&self) -> Result<Model, ModelError> {
        Weights::from_bytes(self.bytes(), LABEL).and_then(Model::from_weights)
    }

    pub fn problem(&self) -> ModelError {
        self.open().expect_err("the model is wrong")
    }
}
