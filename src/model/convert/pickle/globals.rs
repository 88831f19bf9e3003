//! The functions and classes that a pickle may name.

use safetensors::Dtype;

/// What a known name means. None of them is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Global {
    OrderedDict,
    RebuildTensor,
    /// The tensor that the parameter wraps.
    RebuildParameter,
    Storage(Dtype),
    /// The tuple that `torch.Size` wraps.
    Size,
    Device,
    Dtype,
    /// A number that trainers keep, such as the best validation result.
    NumpyScalar,
    NumpyDtype,
    /// Protocol 2 writes the bytes of a NumPy scalar with it.
    Encode,
}

const DTYPES: [&str; 10] = [
    "float32", "float16", "bfloat16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool",
];

const NAMES: &[(&str, Global)] = &[
    ("collections.OrderedDict", Global::OrderedDict),
    ("torch._utils._rebuild_tensor_v2", Global::RebuildTensor),
    ("torch._utils._rebuild_tensor", Global::RebuildTensor),
    ("torch._utils._rebuild_parameter", Global::RebuildParameter),
    ("torch.Size", Global::Size),
    ("torch.device", Global::Device),
    ("torch.FloatStorage", Global::Storage(Dtype::F32)),
    ("torch.HalfStorage", Global::Storage(Dtype::F16)),
    ("torch.BFloat16Storage", Global::Storage(Dtype::BF16)),
    ("torch.DoubleStorage", Global::Storage(Dtype::F64)),
    ("torch.LongStorage", Global::Storage(Dtype::I64)),
    ("torch.IntStorage", Global::Storage(Dtype::I32)),
    ("torch.ShortStorage", Global::Storage(Dtype::I16)),
    ("torch.CharStorage", Global::Storage(Dtype::I8)),
    ("torch.ByteStorage", Global::Storage(Dtype::U8)),
    ("torch.BoolStorage", Global::Storage(Dtype::BOOL)),
    ("numpy.core.multiarray.scalar", Global::NumpyScalar),
    ("numpy._core.multiarray.scalar", Global::NumpyScalar),
    ("numpy.dtype", Global::NumpyDtype),
    ("_codecs.encode", Global::Encode),
];

impl Global {
    /// What `module.name` means here, `None` when it is not on the list.
    pub fn find(path: &str) -> Option<Self> {
        match path.strip_prefix("torch.") {
            Some(name) if DTYPES.contains(&name) => Some(Self::Dtype),
            _ => (NAMES.iter()).find_map(|&(name, global)| (name == path).then_some(global)),
        }
    }

    /// A name for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Storage(_) => "torch storage",
            Self::Dtype => "torch.dtype",
            _ => NAMES
                .iter()
                .find(|(_, global)| *global == self)
                .map_or("", |(name, _)| name),
        }
    }
}
