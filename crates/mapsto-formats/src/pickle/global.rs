//! The names that a pickle may use, and what they mean here.

use super::PickleError;
use crate::elements::Stored;

/// What a name means. Calling it builds data; no code of anyone runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// `OrderedDict` and `Counter`: called with nothing, with pairs or with a dict.
    Dict,
    /// `torch.Size`: called with a tuple.
    Tuple,
    /// The class of storages of these numbers.
    StorageOf(Stored),
    /// The class of storages of bytes, whose tensors say their type.
    Untyped,
    /// The type of a tensor's numbers.
    DType(Stored),
    /// The class of storages of numbers that tensors lack, or such a type: refused where a tensor has it.
    Lacking(&'static str),
    /// `_rebuild_tensor`: storage, offset, sizes, strides.
    Tensor,
    /// `_rebuild_tensor_v2`: and what gradients need.
    TensorV2,
    /// `_rebuild_tensor_v3`: and the type.
    TensorV3,
    /// `_rebuild_parameter`: the tensor, and what gradients need.
    Parameter,
    /// Harmless, and its content of no use to a network: a device, a set, a number of NumPy's.
    Inert,
}

/// A name that is known.
#[derive(Debug)]
pub(crate) struct Known {
    pub module: &'static str,
    pub name: &'static str,
    pub meaning: Meaning,
}

const fn known(module: &'static str, name: &'static str, meaning: Meaning) -> Known {
    Known { module, name, meaning }
}

/// All of them. `numpy`'s and `_codecs` make the single numbers that training loops keep beside a state dict.
static KNOWN: &[Known] = &[
    known("collections", "OrderedDict", Meaning::Dict),
    known("collections", "Counter", Meaning::Dict),
    known("torch", "Size", Meaning::Tuple),
    known("torch._utils", "_rebuild_tensor", Meaning::Tensor),
    known("torch._utils", "_rebuild_tensor_v2", Meaning::TensorV2),
    known("torch._utils", "_rebuild_tensor_v3", Meaning::TensorV3),
    known("torch._utils", "_rebuild_parameter", Meaning::Parameter),
    known("torch._utils", "_rebuild_parameter_with_state", Meaning::Parameter),
    known("torch", "BoolStorage", Meaning::StorageOf(Stored::Bool)),
    known("torch", "ByteStorage", Meaning::StorageOf(Stored::U8)),
    known("torch", "CharStorage", Meaning::StorageOf(Stored::I8)),
    known("torch", "ShortStorage", Meaning::StorageOf(Stored::I16)),
    known("torch", "IntStorage", Meaning::StorageOf(Stored::I32)),
    known("torch", "LongStorage", Meaning::StorageOf(Stored::I64)),
    known("torch", "HalfStorage", Meaning::StorageOf(Stored::F16)),
    known("torch", "BFloat16Storage", Meaning::StorageOf(Stored::BF16)),
    known("torch", "FloatStorage", Meaning::StorageOf(Stored::F32)),
    known("torch", "DoubleStorage", Meaning::StorageOf(Stored::F64)),
    known("torch", "ComplexFloatStorage", Meaning::Lacking("complex64")),
    known("torch", "ComplexDoubleStorage", Meaning::Lacking("complex128")),
    known("torch", "QInt8Storage", Meaning::Lacking("qint8")),
    known("torch", "QUInt8Storage", Meaning::Lacking("quint8")),
    known("torch", "QInt32Storage", Meaning::Lacking("qint32")),
    known("torch", "QUInt4x2Storage", Meaning::Lacking("quint4x2")),
    known("torch", "QUInt2x4Storage", Meaning::Lacking("quint2x4")),
    known("torch", "UntypedStorage", Meaning::Untyped),
    known("torch.storage", "UntypedStorage", Meaning::Untyped),
    known("torch.storage", "_UntypedStorage", Meaning::Untyped),
    known("torch", "bool", Meaning::DType(Stored::Bool)),
    known("torch", "uint8", Meaning::DType(Stored::U8)),
    known("torch", "int8", Meaning::DType(Stored::I8)),
    known("torch", "int16", Meaning::DType(Stored::I16)),
    known("torch", "uint16", Meaning::DType(Stored::U16)),
    known("torch", "int32", Meaning::DType(Stored::I32)),
    known("torch", "uint32", Meaning::DType(Stored::U32)),
    known("torch", "int64", Meaning::DType(Stored::I64)),
    known("torch", "float16", Meaning::DType(Stored::F16)),
    known("torch", "bfloat16", Meaning::DType(Stored::BF16)),
    known("torch", "float32", Meaning::DType(Stored::F32)),
    known("torch", "float64", Meaning::DType(Stored::F64)),
    known("torch", "uint64", Meaning::Lacking("uint64")),
    known("torch", "complex32", Meaning::Lacking("complex32")),
    known("torch", "complex64", Meaning::Lacking("complex64")),
    known("torch", "complex128", Meaning::Lacking("complex128")),
    known("torch", "float8_e4m3fn", Meaning::Lacking("float8_e4m3fn")),
    known("torch", "float8_e4m3fnuz", Meaning::Lacking("float8_e4m3fnuz")),
    known("torch", "float8_e5m2", Meaning::Lacking("float8_e5m2")),
    known("torch", "float8_e5m2fnuz", Meaning::Lacking("float8_e5m2fnuz")),
    known("torch", "float8_e8m0fnu", Meaning::Lacking("float8_e8m0fnu")),
    known("torch", "float4_e2m1fn_x2", Meaning::Lacking("float4_e2m1fn_x2")),
    known("torch", "device", Meaning::Inert),
    known("builtins", "set", Meaning::Inert),
    known("__builtin__", "set", Meaning::Inert),
    known("builtins", "frozenset", Meaning::Inert),
    known("__builtin__", "frozenset", Meaning::Inert),
    known("builtins", "bytearray", Meaning::Inert),
    known("__builtin__", "bytearray", Meaning::Inert),
    known("builtins", "complex", Meaning::Inert),
    known("__builtin__", "complex", Meaning::Inert),
    known("__builtin__", "bytes", Meaning::Inert),
    known("_codecs", "encode", Meaning::Inert),
    known("numpy", "dtype", Meaning::Inert),
    known("numpy.core.multiarray", "scalar", Meaning::Inert),
    known("numpy._core.multiarray", "scalar", Meaning::Inert),
];

/// Modules whose classes are networks, or the user's own.
const NETWORKS: &[&str] = &["torch.nn.", "torchvision.models.", "__torch__", "__main__"];

/// What is known of a name.
///
/// # Errors
/// A name that is not known.
pub(super) fn find(module: &str, name: &str) -> Result<&'static Known, PickleError> {
    KNOWN.iter().find(|known| (known.module, known.name) == (module, name)).ok_or_else(|| {
        let full = shown(&format!("{module}.{name}"));
        match NETWORKS.iter().any(|start| module.starts_with(start)) {
            true => PickleError::Module(full),
            false => PickleError::Global(full),
        }
    })
}

/// A text of a file, fit for a message: short, and without what terminals obey.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 80;
    let mut shown: String = text.chars().take(MOST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}
