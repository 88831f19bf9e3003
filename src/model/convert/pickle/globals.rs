//! The names a pickle may ask for.

use super::super::element::Element;

/// A function or class that a checkpoint of weights may name.
///
/// None of them is called: each has a fixed meaning in the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Global {
    /// `collections.OrderedDict`.
    OrderedDict,
    /// `torch._utils._rebuild_tensor` and `_rebuild_tensor_v2`: a view of a storage.
    RebuildTensor,
    /// `torch._utils._rebuild_parameter`: the tensor it wraps.
    RebuildParameter,
    /// `torch.FloatStorage` and the like.
    Storage(Element),
    /// `torch.Size`: the tuple it wraps.
    Size,
    /// `torch.device`; which one does not matter.
    Device,
    /// `torch.float32` and the like, as a value.
    Dtype,
    /// `numpy.core.multiarray.scalar`: a number nothing here needs, such as a
    /// best validation result.
    NumpyScalar,
    /// `numpy.dtype`, which comes with such a number.
    NumpyDtype,
    /// `_codecs.encode`, by which protocol 2 writes such a number's bytes.
    Encode,
}

impl Global {
    /// What `module.name` means here, `None` when it is not on the list.
    pub fn find(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", "Size") => Self::Size,
            ("torch", "device") => Self::Device,
            ("torch", name) if is_dtype(name) => Self::Dtype,
            ("torch", name) => Self::Storage(storage(name)?),
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Self::NumpyScalar,
            ("numpy", "dtype") => Self::NumpyDtype,
            ("_codecs", "encode") => Self::Encode,
            _ => return None,
        })
    }

    /// Its name, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::OrderedDict => "collections.OrderedDict",
            Self::RebuildTensor => "torch._utils._rebuild_tensor_v2",
            Self::RebuildParameter => "torch._utils._rebuild_parameter",
            Self::Storage(_) => "torch storage",
            Self::Size => "torch.Size",
            Self::Device => "torch.device",
            Self::Dtype => "torch.dtype",
            Self::NumpyScalar => "numpy.core.multiarray.scalar",
            Self::NumpyDtype => "numpy.dtype",
            Self::Encode => "_codecs.encode",
        }
    }
}

fn storage(name: &str) -> Option<Element> {
    Some(match name {
        "FloatStorage" => Element::F32,
        "HalfStorage" => Element::F16,
        "BFloat16Storage" => Element::Bf16,
        "DoubleStorage" => Element::F64,
        "LongStorage" => Element::I64,
        "IntStorage" => Element::I32,
        "ShortStorage" => Element::I16,
        "CharStorage" => Element::I8,
        "ByteStorage" => Element::U8,
        "BoolStorage" => Element::Bool,
        _ => return None,
    })
}

fn is_dtype(name: &str) -> bool {
    matches!(
        name,
        "float32"
            | "float16"
            | "bfloat16"
            | "float64"
            | "int64"
            | "int32"
            | "int16"
            | "int8"
            | "uint8"
            | "bool"
    )
}
