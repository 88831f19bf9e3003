//! One dispatch in the making: everything by name.

use crate::exec::gpu::shader::Member;
use crate::exec::gpu::template::Parameters;
use crate::ops::{Packing, ensure};
use crate::plan::{Format, Phase, PlannedNode, PlannedValue};

/// A node to be lowered, with easy access to its operands.
pub struct Source<'a> {
    pub phase: &'a Phase,
    pub node: &'a PlannedNode,
    /// Floating-point operations that a dispatch may have.
    pub max_dispatch_flops: u64,
}

impl<'a> Source<'a> {
    pub fn input(&self, index: usize) -> &'a PlannedValue {
        &self.phase.values[self.node.inputs[index]]
    }

    pub fn output(&self, index: usize) -> &'a PlannedValue {
        &self.phase.values[self.node.outputs[index]]
    }

    pub fn expect_packings(
        &self,
        operands: impl Iterator<Item = usize>,
        packings: &[Packing],
    ) -> Result<(), String> {
        for (index, packing) in operands.zip(packings) {
            let PlannedValue {
                name,
                packing: known,
                ..
            } = self.input(index);
            ensure!(
                known.as_ref() == Some(packing),
                "reads '{name}', which is packed for another kernel"
            );
        }
        Ok(())
    }

    /// The value of a scratch array, which has to have so many elements of f32.
    fn scratch(&self, index: usize, elements: usize) -> Result<usize, String> {
        let id = *self
            .node
            .scratch
            .get(index)
            .ok_or("was planned without scratch memory")?;
        let there = self.phase.values[id].shape.elements();
        ensure!(
            elements <= there,
            "was planned with {there} elements of scratch memory, not {elements}"
        );
        Ok(id)
    }
}

/// One dispatch. Arrays, uniforms and constants go by the names that the
/// shader gives them.
#[derive(Clone, Debug, Default)]
pub struct Kernel {
    /// File in `shaders/`.
    pub shader: &'static str,
    pub entry: &'static str,
    pub parameters: Parameters,
    pub constants: Vec<(&'static str, f64)>,
    /// Variable and value (index into the phase's values).
    pub arrays: Vec<(&'static str, usize)>,
    pub written: Vec<usize>,
    pub workgroups: [u32; 3],
    uniforms: Vec<(&'static str, Vec<u32>)>,
    /// Members of the uniform struct that a shader may have: where arrays
    /// begin, for example.
    offered: Vec<(String, u32)>,
}

/// Workgroups along a row of the grid at most; WebGPU allows 65535.
const MAX_COLUMNS: usize = 1 << 15;

/// Counts that exceed 32 bits are beyond every adapter's limits, which are
/// checked before anything runs.
pub fn word(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Kernel {
    /// A kernel whose entry point has the name of its file.
    pub fn new(shader: &'static str) -> Self {
        Self {
            shader,
            entry: shader,
            ..Self::default()
        }
    }

    /// A kernel of which each invocation makes a pixel of a channel block.
    pub fn over_blocks(shader: &'static str, image: &PlannedValue) -> Self {
        let mut kernel = Self::new(shader).size(image);
        kernel.offer("blocks", blocks(image));
        kernel.pixel_grid(image, image.shape.n * blocks(image))
    }

    pub fn entry(mut self, entry: &'static str) -> Self {
        self.entry = entry;
        self
    }

    pub fn number(mut self, name: &str, value: usize) -> Self {
        self.parameters.number(name, value as i64);
        self
    }

    /// An `override`.
    pub fn constant(mut self, name: &'static str, value: impl Into<f64>) -> Self {
        self.constants.push((name, value.into()));
        self
    }

    /// An `override` that is a count.
    pub fn count(self, name: &'static str, value: usize) -> Self {
        self.constant(name, value as f64)
    }

    pub fn uniform(self, name: &'static str, value: usize) -> Self {
        self.words(name, vec![word(value)])
    }

    /// A member of the uniform struct that is a vector or an array.
    pub fn words(mut self, name: &'static str, words: Vec<u32>) -> Self {
        self.uniforms.push((name, words));
        self
    }

    /// Height and width of an image.
    pub fn size(self, value: &PlannedValue) -> Self {
        self.uniform("height", value.shape.h)
            .uniform("width", value.shape.w)
    }

    fn offer(&mut self, name: &str, value: usize) {
        self.offered.push((name.to_owned(), word(value)));
    }

    /// An operand that is bound under another name: only where it begins.
    pub fn view(mut self, name: &'static str, value: &PlannedValue) -> Self {
        // In vec4 of blocks of 4 channels.
        let vectors = |channels: usize| (channels / 4).saturating_mul(value.shape.pixels());
        self.offer(&format!("{name}_offset"), vectors(value.channel_offset));
        self.offer(&format!("{name}_batch"), vectors(value.channel_stride));
        self
    }

    /// An array whose element type is fixed in the shader.
    fn array(self, name: &'static str, source: &Source, id: usize) -> Self {
        let mut kernel = self.view(name, &source.phase.values[id]);
        kernel.arrays.push((name, id));
        kernel
    }

    /// An array whose element type is a parameter of the template.
    fn typed(self, name: &'static str, source: &Source, id: usize) -> Self {
        let precision = source.phase.values[id].format.precision;
        let mut kernel = self.array(name, source, id);
        let scalar = format!("{name}_scalar");
        kernel.parameters.word(&scalar, &precision.to_string());
        kernel
    }

    fn writes(mut self, id: usize) -> Self {
        self.written.push(id);
        self
    }

    pub fn input(self, name: &'static str, source: &Source, index: usize) -> Self {
        self.typed(name, source, source.node.inputs[index])
    }

    /// A weight or operand that is always in f32.
    pub fn f32_input(self, name: &'static str, source: &Source, index: usize) -> Self {
        self.array(name, source, source.node.inputs[index])
    }

    pub fn output(self, name: &'static str, source: &Source, index: usize) -> Self {
        let id = source.node.outputs[index];
        self.typed(name, source, id).writes(id)
    }

    /// A result that is always in f32.
    pub fn f32_output(self, name: &'static str, source: &Source, index: usize) -> Self {
        let id = source.node.outputs[index];
        self.array(name, source, id).writes(id)
    }

    /// An operand in PyTorch's order, in an array of its own.
    pub fn tensor_input(
        self,
        name: &'static str,
        source: &Source,
        index: usize,
    ) -> Result<Self, String> {
        check_tensor(source.input(index))?;
        Ok(self.f32_input(name, source, index))
    }

    /// A result in PyTorch's order, in an array of its own.
    pub fn tensor_output(
        self,
        name: &'static str,
        source: &Source,
        index: usize,
    ) -> Result<Self, String> {
        check_tensor(source.output(index))?;
        Ok(self.f32_output(name, source, index))
    }

    /// A tensor that a result takes the place of.
    pub fn updated_tensor(
        self,
        name: &'static str,
        source: &Source,
        result: usize,
        operand: usize,
    ) -> Result<Self, String> {
        let (x, y) = (source.input(operand), source.output(result));
        ensure!(
            x.is_same_place(y),
            "'{}' does not take the place of '{}'",
            y.name,
            x.name
        );
        self.tensor_output(name, source, result)
    }

    /// Scratch array `index` of the node, which an earlier dispatch has written.
    pub fn scratch(
        self,
        name: &'static str,
        source: &Source,
        index: usize,
        elements: usize,
    ) -> Result<Self, String> {
        Ok(self.array(name, source, source.scratch(index, elements)?))
    }

    /// Scratch array `index` of the node, which this dispatch writes.
    pub fn scratch_output(
        self,
        name: &'static str,
        source: &Source,
        index: usize,
        elements: usize,
    ) -> Result<Self, String> {
        let id = source.scratch(index, elements)?;
        Ok(self.array(name, source, id).writes(id))
    }

    pub fn grid(mut self, workgroups: [usize; 3]) -> Self {
        self.workgroups = workgroups.map(word);
        self
    }

    /// The grid of kernels that make a pixel of a channel block per
    /// invocation, in workgroups of 16 x 4.
    pub fn pixel_grid(self, image: &PlannedValue, planes: usize) -> Self {
        let (height, width) = (image.shape.h, image.shape.w);
        self.grid([width.div_ceil(16), height.div_ceil(4), planes])
    }

    /// The grid of kernels with an invocation for each of `count` elements, in
    /// workgroups of `size` along the rows of the grid, and the uniform `columns`.
    pub fn element_grid(self, count: usize, size: usize) -> Self {
        let workgroups = count.div_ceil(size);
        let columns = workgroups.clamp(1, MAX_COLUMNS);
        self.uniform("columns", columns * size)
            .grid([columns, workgroups.div_ceil(columns), 1])
    }

    /// The words of the uniform struct with these members.
    pub fn fill(&self, members: &[Member], words: usize) -> Result<Vec<u32>, String> {
        let shader = self.shader;
        for (name, _) in &self.uniforms {
            let is_member = members.iter().any(|member| member.name == *name);
            ensure!(is_member, "{shader} has no uniform {name}");
        }
        let mut filled = vec![0; words];
        for Member { name, word, words } in members {
            if name.starts_with("padding") {
                continue;
            }
            let given = self.uniforms.iter().find(|(known, _)| known == name);
            let offered = self.offered.iter().find(|(known, _)| known == name);
            let given = match (given, offered) {
                (Some((_, words)), _) => words,
                (None, Some((_, word))) => std::slice::from_ref(word),
                _ => return Err(format!("{shader}: nothing fills the uniform {name}")),
            };
            let fits = given.len() <= *words;
            ensure!(fits, "{shader}: too much for the uniform {name}");
            filled[*word..][..given.len()].copy_from_slice(given);
        }
        Ok(filled)
    }
}

fn check_tensor(value: &PlannedValue) -> Result<(), String> {
    let is_tensor = value.format == Format::TENSOR && value.packing.is_none() && !value.is_part();
    ensure!(
        is_tensor,
        "'{}' is no tensor in PyTorch's order",
        value.name
    );
    Ok(())
}

/// Channel blocks of 4 of a value, padding counted.
pub fn blocks(value: &PlannedValue) -> usize {
    value.stored_channels() / 4
}
