//! The shaders: a typed table of `shaders/*.wgsl`, their composition and
//! their reflection through naga.

use crate::graph::Precision;
use naga::front::wgsl;
use naga::{AddressSpace, StorageAccess};

macro_rules! shaders {
    ($($variant:ident $file:literal [$($include:literal),*]),* $(,)?) => {
        /// A WGSL file of `shaders/`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)] // named after their files
        pub enum Shader { $($variant),* }

        impl Shader {
            /// Every shader.
            pub const ALL: &[Shader] = &[$(Shader::$variant),*];

            /// The file's name without its ending.
            pub fn name(self) -> &'static str {
                match self { $(Shader::$variant => $file),* }
            }

            /// Its text, the files that it needs first.
            fn text(self) -> &'static [&'static str] {
                match self {
                    $(Shader::$variant => &[
                        $(include_str!(concat!("../../../shaders/include/", $include, ".wgsl")),)*
                        include_str!(concat!("../../../shaders/", $file, ".wgsl")),
                    ]),*
                }
            }
        }
    };
}

shaders! {
    Conv2d "conv2d" ["step_record", "activation", "epilogue", "conv_tile"],
    ConvTranspose2d "conv_transpose2d" ["conv_tile"],
    Copy "copy" ["elementwise"],
    GroupNorm "group_norm" ["step_record", "activation", "epilogue"],
    ImagePack "image_pack" ["finite"],
    ImageUnpack "image_unpack" [],
    Linear "linear" [],
    LinearAttention "linear_attention" [],
    Mish "mish" ["activation", "elementwise"],
    Noise "noise" ["step_record", "normal"],
    Peak "peak" [],
    Reconstruct "reconstruct" ["finite"],
    SamplerUpdate "sampler_update" ["step_record", "normal", "finite"],
    UpsampleBicubic "upsample_bicubic" [],
    UpsampleNearest "upsample_nearest" ["elementwise"],
}

/// Storage type of one array of a shader: its alias there, such as `x_t`.
pub type ArrayType = (&'static str, Precision);

impl Shader {
    /// The complete source with the storage type of each array decided.
    ///
    /// Arrays are declared as `array<x_t>`, `x_t` being `vec4<f32>` or
    /// `vec4<f16>`; arithmetic is in f32 either way.
    pub fn source(self, types: &[ArrayType]) -> String {
        let mut source = String::new();
        if types
            .iter()
            .any(|&(_, precision)| precision == Precision::F16)
        {
            source.push_str("enable f16;\n");
        }
        for (alias, precision) in types {
            let scalar = match precision {
                Precision::F32 => "f32",
                Precision::F16 => "f16",
            };
            source.push_str(&format!("alias {alias} = vec4<{scalar}>;\n"));
        }
        for text in self.text() {
            source.push_str(text);
        }
        source
    }

    /// Parses the source.
    ///
    /// # Panics
    /// When the shader does not parse; a test parses every one.
    pub fn module(self, types: &[ArrayType]) -> naga::Module {
        let source = self.source(types);
        wgsl::parse_str(&source).unwrap_or_else(|error| {
            panic!("{}", error.emit_to_string_with_path(&source, self.name()))
        })
    }

    /// The aliases `*_t` that the source uses, sorted: what [`source`](Self::source)
    /// has to be given.
    pub fn array_types(self) -> Vec<String> {
        let mut aliases: Vec<String> = self
            .text()
            .iter()
            .flat_map(|text| text.split("array<"))
            .skip(1)
            .filter_map(|rest| {
                let name: String = rest
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                name.ends_with("_t").then_some(name)
            })
            .collect();
        aliases.sort();
        aliases.dedup();
        aliases
    }
}

/// What a shader expects at one binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindingKind {
    /// A uniform struct of so many bytes.
    Uniform(u32),
    /// An array that is only read.
    Read,
    /// An array that is read and written.
    ReadWrite,
}

/// One `@group(..) @binding(..)` of a shader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReflectedBinding {
    /// Group.
    pub group: u32,
    /// Index in the group.
    pub binding: u32,
    /// Name of the variable.
    pub name: String,
    /// What is expected.
    pub kind: BindingKind,
}

/// The bindings of a module, by group and index.
pub fn reflect(module: &naga::Module) -> Vec<ReflectedBinding> {
    let mut bindings: Vec<ReflectedBinding> = module
        .global_variables
        .iter()
        .filter_map(|(_, variable)| {
            let at = variable.binding.as_ref()?;
            let kind = match variable.space {
                AddressSpace::Uniform => {
                    BindingKind::Uniform(module.types[variable.ty].inner.size(module.to_ctx()))
                }
                AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => {
                    BindingKind::ReadWrite
                }
                _ => BindingKind::Read,
            };
            Some(ReflectedBinding {
                group: at.group,
                binding: at.binding,
                name: variable.name.clone().unwrap_or_default(),
                kind,
            })
        })
        .collect();
    bindings.sort_by_key(|binding| (binding.group, binding.binding));
    bindings
}
