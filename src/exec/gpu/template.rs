//! Templates of the shaders, for what WGSL's `override` cannot choose:
//! unrolled tiles, optional bindings and element types.
//!
//! They are Jinja templates. A directive stands on its own line and is a WGSL
//! comment:
//!
//! ```text
//! //: include "include/epilogue.wgsl"
//! //: if KERNEL == 3 and not IN_PLACE
//! //: else
//! //: endif
//! //: for r in range(ROWS)
//! var sum_${r} = bias[${BLOCKS - 1}u];
//! //: endfor
//! ```
//!
//! `and` and `or` stop as soon as the result is known, and a parameter that is
//! never looked up is refused. So conv2d.wgsl tests `REFLECT and KERNEL == 3`:
//! the other way round, kernel 1 would refuse REFLECT.
//!
//! Jinja takes a minus beside a delimiter for its whitespace control: `${-n}`
//! is n, `${(-n)}` is minus n.

use crate::exec::lock;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Object;
use minijinja::{Environment, Error, ErrorKind, OutputSpan, UndefinedBehavior};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::fmt;
use std::sync::{Arc, Mutex};

/// A template: its path in `shaders/` and its text.
pub type File = (&'static str, &'static str);

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../../shaders/", $path)))),*]
    };
}

static FILES: &[File] = files![
    "accumulate.wgsl",
    "activation_gradient.wgsl",
    "adam.wgsl",
    "channel_sum.wgsl",
    "conv2d.wgsl",
    "conv2d_gemm.wgsl",
    "conv2d_matrix.wgsl",
    "conv2d_spatial.wgsl",
    "conv2d_weight_gradient.wgsl",
    "conv2d_winograd_input.wgsl",
    "conv2d_winograd_output.wgsl",
    "conv2d_winograd_product.wgsl",
    "conv_transpose2d.wgsl",
    "conv_transpose2d_gemm.wgsl",
    "conv_transpose2d_gradient.wgsl",
    "convert.wgsl",
    "count_non_finite.wgsl",
    "count_work.wgsl",
    "dilate.wgsl",
    "estimate_x0.wgsl",
    "fold_border.wgsl",
    "group_norm.wgsl",
    "group_norm_gradient.wgsl",
    "linear.wgsl",
    "linear_attention.wgsl",
    "linear_attention_gradient.wgsl",
    "loss.wgsl",
    "noise.wgsl",
    "pack.wgsl",
    "peak.wgsl",
    "pointwise.wgsl",
    "reconstruct.wgsl",
    "sampler_update.wgsl",
    "squared_norms.wgsl",
    "upsample_bicubic.wgsl",
    "upsample_nearest.wgsl",
    "upsample_nearest_gradient.wgsl",
    "include/activation.wgsl",
    "include/border.wgsl",
    "include/conv_tile.wgsl",
    "include/conv_x.wgsl",
    "include/emulated_matrix.wgsl",
    "include/epilogue.wgsl",
    "include/epilogue_dims.wgsl",
    "include/finite.wgsl",
    "include/gemm_products.wgsl",
    "include/gemm_tile.wgsl",
    "include/group_statistics.wgsl",
    "include/half.wgsl",
    "include/matrix_stage.wgsl",
    "include/normal.wgsl",
    "include/step_record.wgsl",
    "include/stored.wgsl",
    "include/winograd.wgsl",
    "include/winograd_tiles.wgsl",
    "include/workgroup_max.wgsl",
    "include/workgroup_sum.wgsl",
];

/// The names that [`expand`] takes, such as `conv2d`.
pub fn shaders() -> impl Iterator<Item = &'static str> {
    let names = FILES
        .iter()
        .filter_map(|(path, _)| path.strip_suffix(".wgsl"));
    names.filter(|name| !name.starts_with("include/"))
}

/// Every template, with its text.
pub fn files() -> impl Iterator<Item = File> {
    FILES.iter().copied()
}

/// What a parameter stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Also truth: 0 is false.
    Number(i64),
    /// An element type, such as `f16`.
    Word(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) => number.fmt(f),
            Value::Word(word) => word.fmt(f),
        }
    }
}

/// What tells one specialisation of a shader from another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parameters(BTreeMap<String, Value>);

impl Parameters {
    pub fn number(&mut self, name: &str, value: i64) {
        self.0.insert(name.to_owned(), Value::Number(value));
    }

    pub fn word(&mut self, name: &str, value: &str) {
        self.0
            .insert(name.to_owned(), Value::Word(value.to_owned()));
    }

    /// All parameters in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = self.iter().map(|(name, value)| format!("{name}={value}"));
        f.write_str(&given.collect::<Vec<_>>().join(" "))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("there is no shader {0:?}")]
    UnknownShader(String),
    #[error("{file}: this specialisation does not use the parameter {name}: check its spelling")]
    UnusedParameter { file: String, name: String },
    #[error("{file}:{line}: {problem}")]
    Line {
        file: String,
        line: usize,
        problem: String,
    },
}

/// The WGSL of one specialisation.
#[derive(Clone, Debug, Default)]
pub struct Expanded {
    /// Without directives and lines that are only a comment.
    pub text: String,
    origins: Vec<Option<(String, usize)>>,
}

impl Expanded {
    /// The file and line that made a line of the text, both counted from 1.
    pub fn origin(&self, line: usize) -> Option<(&str, usize)> {
        let origin = self.origins.get(line.checked_sub(1)?)?.as_ref();
        origin.map(|(file, line)| (file.as_str(), *line))
    }

    fn push(&mut self, line: &str, origin: Option<(String, usize)>) {
        let blank = line.trim().is_empty();
        if blank && (self.text.is_empty() || self.text.ends_with("\n\n")) {
            return;
        }
        self.text.push_str(line.trim_end());
        self.text.push('\n');
        self.origins.push(origin);
    }
}

#[derive(Debug)]
struct Scope {
    parameters: Parameters,
    /// The names that the template has looked up.
    used: Mutex<BTreeSet<String>>,
}

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        let name = key.as_str()?;
        lock(&self.used).insert(name.to_owned());
        match self.parameters.0.get(name) {
            Some(Value::Number(number)) => Some((*number).into()),
            Some(Value::Word(word)) => Some(word.into()),
            None if name == "range" => None,
            // Even strict, minijinja lets templates compare an undefined value.
            None => {
                let problem = format!("the parameter {name} is not given");
                Some(Error::new(ErrorKind::UndefinedError, problem).into())
            }
        }
    }
}

/// Expands the shader of this name.
///
/// The text enables f16 if any parameter is the word `f16`.
///
/// # Errors
/// If the template is wrong, or the parameters are not exactly those that it
/// asks for.
pub fn expand(shader: &str, parameters: &Parameters) -> Result<Expanded, TemplateError> {
    expand_from(FILES, shader, parameters)
}

/// Expands a shader with `files` in place of those in `shaders/`.
///
/// # Errors
/// As [`expand`].
pub fn expand_from(
    files: &'static [File],
    shader: &str,
    parameters: &Parameters,
) -> Result<Expanded, TemplateError> {
    let file = format!("{shader}.wgsl");
    if !files.iter().any(|(path, _)| *path == file) {
        return Err(TemplateError::UnknownShader(shader.to_owned()));
    }
    let scope = Arc::new(Scope {
        parameters: parameters.clone(),
        used: Mutex::default(),
    });
    let context = minijinja::Value::from_dyn_object(scope.clone());
    let (text, spans) = environment(files)
        .and_then(|templates| templates.get_template(&file)?.render_with_spans(context))
        .map_err(|error| located(&error))?;
    let used = lock(&scope.used);
    if let Some((name, _)) = parameters.iter().find(|(name, _)| !used.contains(*name)) {
        let name = name.to_owned();
        return Err(TemplateError::UnusedParameter { file, name });
    }

    let mut expanded = Expanded::default();
    let half = Value::Word("f16".to_owned());
    if parameters.iter().any(|(_, value)| *value == half) {
        expanded.push("enable f16;", None);
    }
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if !line.trim_start().starts_with("//") {
            expanded.push(line, origin(&text, &spans, start));
        }
        start += line.len();
    }
    Ok(expanded)
}

fn environment(files: &'static [File]) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .line_statement_prefix("//:")
        .variable_delimiters("${", "}")
        .keep_trailing_newline(true)
        .build()?;
    environment.set_syntax(syntax);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_loader(move |name| {
        let found = files.iter().find(|(path, _)| *path == name);
        Ok(found.map(|(_, text)| (*text).to_owned()))
    });
    Ok(environment)
}

/// The file and line of the template that wrote the text at `offset`.
fn origin(text: &str, spans: &[OutputSpan], offset: usize) -> Option<(String, usize)> {
    let span = spans.partition_point(|span| span.output_range().end <= offset);
    let span = spans.get(span)?;
    let before = &text[span.output_range().start..offset];
    let line = span.line() + before.matches('\n').count();
    Some((span.name().to_owned(), line))
}

/// An error in an included file comes wrapped in one for each file that
/// includes it; only the innermost has the place and the problem.
fn located(error: &Error) -> TemplateError {
    if let Some(cause) = error.source().and_then(|cause| cause.downcast_ref()) {
        return located(cause);
    }
    let kind = error.kind().to_string();
    TemplateError::Line {
        file: error.name().unwrap_or_default().to_owned(),
        line: error.line().unwrap_or_default(),
        problem: error.detail().map_or(kind, str::to_owned),
    }
}
