//! Model files as inputs: the same model with a checksum, in another number
//! format, or with settings that it lacked.

use super::{
    CheckpointForm, ConvertOptions, ConvertReport, Result, ScheduleSource, config, schedule,
    serialize,
};
use crate::model::{Settings, Weights, layout, weights::Part};

/// The model file for the tensors of a safetensors file. Without a number
/// format in the options, tensors are copied as they are.
pub fn convert(
    weights: &Weights,
    source: &str,
    options: &ConvertOptions,
) -> Result<(Vec<u8>, ConvertReport)> {
    let shapes = weights.shapes();
    let states_settings = weights.metadata("config").is_some();
    let (settings, schedule_source) = if states_settings {
        (weights.settings()?, ScheduleSource::Stated)
    } else {
        let (schedule, timesteps, schedule_source) = schedule::choose(None, options)?;
        let config = config(options, &schedule, timesteps);
        (Settings::read(&shapes, &config)?, schedule_source)
    };
    layout::check(&settings, &shapes)?;

    let mut folded = 0;
    let mut tensors = Vec::new();
    for (name, parts) in weights.stored() {
        let Some(float_type) = options.float_type else {
            tensors.extend(parts);
            continue;
        };
        folded += usize::from(parts.len() > 1);
        let tensor = weights.tensor(name)?;
        tensors.push(Part {
            name: name.to_owned(),
            float_type,
            bytes: serialize::encode(name, &tensor.values, float_type)?.into(),
            shape: tensor.shape,
        });
    }

    let mut metadata = weights.metadata.clone();
    let made = serialize::metadata(&settings, source, options);
    for (key, value) in made {
        // What the file says stays, but for what the options say.
        let given = match key.as_str() {
            "source" => options.source.is_some(),
            "license" | "training" => true,
            _ => false,
        };
        if given || !metadata.contains_key(&key) {
            metadata.insert(key, value);
        }
    }
    let bytes = serialize::serialize(&tensors, metadata);
    let elements = shapes.values().map(|shape| shape.iter().product::<usize>());
    let report = ConvertReport {
        form: CheckpointForm::Safetensors,
        section: String::new(),
        other_sections: Vec::new(),
        dropped: Vec::new(),
        folded,
        schedule_source,
        heads_assumed: settings.attention.is_some()
            && options.attention_heads.is_none()
            && !states_settings,
        settings,
        tensors: tensors.len(),
        parameters: elements.map(|count| count as u64).sum(),
        file_size: bytes.len() as u64,
    };
    Ok((bytes, report))
}
