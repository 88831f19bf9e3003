//! What an adapter offers, as plain data.

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum AdapterKind {
    Discrete,
    Integrated,
    /// A GPU lent by a virtual machine's host.
    Virtual,
    /// Software that plays GPU on the CPU (lavapipe, llvmpipe, WARP).
    Software,
    Unknown,
}

impl AdapterKind {
    pub fn name(self) -> &'static str {
        match self {
            AdapterKind::Discrete => "discrete",
            AdapterKind::Integrated => "integrated",
            AdapterKind::Virtual => "virtual",
            AdapterKind::Software => "software",
            AdapterKind::Unknown => "unknown",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AdapterSummary {
    /// Position in the list, for `--device INDEX`.
    pub index: usize,
    pub name: String,
    pub kind: AdapterKind,
    pub backend: String,
    pub driver: String,
    /// The card's maker and model, as numbers of their bus.
    pub vendor: u32,
    pub device: u32,
    /// Whether shaders can use f16 (storage in half the memory).
    pub f16: bool,
    pub timestamps: bool,
    pub subgroups: bool,
    /// Whether matrix units can be used.
    pub cooperative_matrix: bool,
    /// Invocations of a subgroup, where shaders of any kind have as many.
    pub subgroup_size: Option<u32>,
    /// Sides of the square matrices of f16 that a subgroup of
    /// [`subgroup_size`](Self::subgroup_size) multiplies on matrix units, adding
    /// up in f32; largest first.
    pub matrix_sides: Vec<u32>,
    /// Bytes of the memory that belongs to the GPU, in use or not, if its driver
    /// tells (Vulkan); on Metal, of the memory that it can use without being slow,
    /// the system's included.
    pub memory_bytes: Option<u64>,
    /// Largest array that a shader can see, in bytes.
    pub max_binding_bytes: u64,
    pub max_buffer_bytes: u64,
    /// Largest number of workgroups along a dimension.
    pub max_workgroups: u32,
    pub workgroup_bytes: u32,
    /// Largest number of invocations of a workgroup.
    pub max_invocations: u32,
    /// Largest sides of a workgroup.
    pub max_workgroup_size: [u32; 3],
    /// Largest number of arrays that a kernel can see.
    pub max_arrays: u32,
    /// Bytes that uniform structs must lie apart.
    pub uniform_alignment: u32,
}

impl AdapterSummary {
    /// WebGPU's default limits and no features: what every kernel of the
    /// baseline keeps to.
    pub fn baseline() -> Self {
        Self {
            index: 0,
            name: "WebGPU's defaults".to_owned(),
            kind: AdapterKind::Unknown,
            backend: String::new(),
            driver: String::new(),
            vendor: 0,
            device: 0,
            f16: false,
            timestamps: false,
            subgroups: false,
            cooperative_matrix: false,
            subgroup_size: None,
            matrix_sides: Vec::new(),
            memory_bytes: None,
            max_binding_bytes: 128 << 20,
            max_buffer_bytes: 256 << 20,
            max_workgroups: 65535,
            workgroup_bytes: 16 << 10,
            max_invocations: 256,
            max_workgroup_size: [256, 256, 64],
            max_arrays: 8,
            uniform_alignment: 256,
        }
    }
}
