//! Specialisations of every shader: each parameter's values, the tiles and
//! combinations of options that the planner may ask for.

#[path = "specialisations/conv2d.rs"]
mod conv2d;
#[path = "specialisations/gradients.rs"]
mod gradients;

use srdiff::exec::gpu::template::Parameters;

/// One specialisation.
#[derive(Clone, Debug)]
pub struct Specialisation {
    pub shader: &'static str,
    pub parameters: Parameters,
    /// All of its entry points.
    pub entries: &'static [&'static str],
}

type Numbers<'a> = &'a [(&'a str, i64)];

/// Element types by array: `h` stands for f16, anything else for f32.
type Types<'a> = &'a [(&'a str, char)];

fn parameters(numbers: Numbers, types: Types) -> Parameters {
    let mut parameters = Parameters::default();
    for (name, value) in numbers {
        parameters.number(name, *value);
    }
    for (array, scalar) in types {
        let scalar = if *scalar == 'h' { "f16" } else { "f32" };
        parameters.word(&format!("{array}_scalar"), scalar);
    }
    parameters
}

/// ACTIVATION, TABLE, RESIDUALS.
type Epilogue = (i64, i64, i64);

const PLAIN: Epilogue = (0, 0, 0);
const EPILOGUES: [Epilogue; 10] = [
    PLAIN,
    (1, 0, 0),
    (2, 0, 0),
    (0, 1, 0),
    (2, 1, 0),
    (0, 0, 1),
    (0, 0, 2),
    (1, 0, 1),
    (2, 1, 1),
    (2, 1, 2),
];

/// (ROWS or PIXELS, BLOCKS)
const TILES: [(i64, i64); 10] = [
    (4, 2),
    (8, 1),
    (2, 2),
    (8, 2),
    (4, 4),
    (1, 1),
    (8, 4),
    (3, 3),
    (5, 1),
    (7, 3),
];

/// (TILE_PIXELS, TILE_BLOCKS, TILE_DEPTH, EACH_PIXELS, EACH_BLOCKS)
const GEMM_TILES: [[i64; 5]; 12] = [
    [64, 16, 4, 8, 2],
    [64, 4, 4, 4, 1],
    [128, 4, 4, 8, 1],
    [32, 8, 4, 4, 1],
    [64, 8, 4, 4, 2],
    [128, 8, 4, 8, 2],
    [256, 8, 2, 8, 2],
    [32, 16, 4, 4, 2],
    [128, 16, 4, 8, 2],
    [64, 32, 4, 8, 2],
    [128, 32, 2, 8, 2],
    [128, 32, 4, 8, 2],
];

fn gemm_tile(
    [pixels, blocks, depth, each_pixels, each_blocks]: [i64; 5],
) -> [(&'static str, i64); 5] {
    [
        ("TILE_PIXELS", pixels),
        ("TILE_BLOCKS", blocks),
        ("TILE_DEPTH", depth),
        ("EACH_PIXELS", each_pixels),
        ("EACH_BLOCKS", each_blocks),
    ]
}

/// The specialisations, with the element type of those that choose one.
struct Specialisations {
    scalar: char,
    all: Vec<Specialisation>,
}

impl Specialisations {
    fn is_half(&self) -> bool {
        self.scalar == 'h'
    }

    fn add(
        &mut self,
        shader: &'static str,
        entries: &'static [&'static str],
        numbers: Numbers,
        types: Types,
    ) {
        self.push(shader, entries, parameters(numbers, types));
    }

    fn push(
        &mut self,
        shader: &'static str,
        entries: &'static [&'static str],
        parameters: Parameters,
    ) {
        self.all.push(Specialisation {
            shader,
            parameters,
            entries,
        });
    }

    /// With an epilogue, whose arrays are of the chosen type.
    fn add_with_epilogue(
        &mut self,
        shader: &'static str,
        entries: &'static [&'static str],
        numbers: Numbers,
        types: Types,
        (activation, table, residuals): Epilogue,
    ) {
        let mut all = parameters(numbers, types);
        all.number("ACTIVATION", activation);
        all.number("TABLE", table);
        all.number("RESIDUALS", residuals);
        let scalar = if self.is_half() { "f16" } else { "f32" };
        all.word("y_scalar", scalar);
        if table == 1 {
            all.word("table_scalar", scalar);
        }
        for i in 0..residuals {
            all.word(&format!("residual_{i}_scalar"), scalar);
        }
        self.push(shader, entries, all);
    }
}

/// Every specialisation in f32, or with f16.
pub fn specialisations(half: bool) -> Vec<Specialisation> {
    let mut all = Specialisations {
        scalar: if half { 'h' } else { 'f' },
        all: Vec::new(),
    };
    conv2d::add(&mut all);
    conv_transpose2d(&mut all);
    pointwise_and_norms(&mut all);
    gradients::add(&mut all);
    images(&mut all);
    conversions(&mut all);
    tensors(&mut all);
    peaks(&mut all);
    all.all
}

fn conv_transpose2d(all: &mut Specialisations) {
    let s = all.scalar;
    let types = [("x", s), ("w", s), ("y", s)];
    for tile in GEMM_TILES {
        for aligned in [0, 1] {
            let numbers = [&gemm_tile(tile)[..], &[("ALIGNED", aligned)]].concat();
            let entries = &["conv_transpose2d_gemm"];
            all.add("conv_transpose2d_gemm", entries, &numbers, &types);
        }
    }
    for (pixels, blocks) in TILES {
        let numbers = [("PIXELS", pixels), ("BLOCKS", blocks)];
        all.add("conv_transpose2d", &["conv_transpose2d"], &numbers, &types);
    }
}

fn pointwise_and_norms(all: &mut Specialisations) {
    let x: Types = &[("x", all.scalar)];
    let xy: Types = &[("x", all.scalar), ("y", all.scalar)];
    for epilogue in EPILOGUES {
        all.add_with_epilogue("pointwise", &["pointwise"], &[], x, epilogue);
        let normalize: Numbers = &[("STATISTICS", 0)];
        all.add_with_epilogue("group_norm", &["normalize"], normalize, x, epilogue);
    }
    let statistics: Numbers = &[("STATISTICS", 1)];
    all.add("group_norm", &["statistics_of_group"], statistics, x);
    let parts: Numbers = &[("STATISTICS", 2)];
    all.add("group_norm", &["statistics_of_part"], parts, x);
    if all.scalar == 'f' {
        all.add("group_norm", &["join_parts"], &[("STATISTICS", 3)], &[]);
    }
    let context: Numbers = &[("CONTEXT", 1)];
    all.add("linear_attention", &["context_of_head"], context, x);
    all.add("linear_attention", &["attend"], &[("CONTEXT", 0)], xy);
    let types = [("x", all.scalar), ("w", all.scalar), ("y", all.scalar)];
    all.add("linear", &["linear"], &[], &types);
}

/// What makes images and the steps of the process.
fn images(all: &mut Specialisations) {
    let s = all.scalar;
    let xy: Types = &[("x", s), ("y", s)];
    all.add("upsample_bicubic", &["upsample_bicubic"], &[], xy);
    all.add("upsample_nearest", &["upsample_nearest"], &[], xy);
    let types = [("x", s), ("up", s), ("sr", s)];
    all.add("reconstruct", &["reconstruct"], &[], &types);
    all.add("noise", &["noise"], &[], &[("x", s)]);
    all.add("count_non_finite", &["count_non_finite"], &[], &[("x", s)]);
    all.add("estimate_x0", &["estimate_x0"], &[], &[("eps", s)]);
    let update: &[&str] = &["sampler_update"];
    all.add("sampler_update", update, &[("REPLAYED", 1)], &[("z", s)]);
    if !all.is_half() {
        all.add("sampler_update", update, &[("REPLAYED", 0)], &[]);
    }
}

fn conversions(all: &mut Specialisations) {
    let s = all.scalar;
    for (x_layout, y_layout) in [(0, 1), (1, 0), (2, 1), (1, 2), (0, 2)] {
        let numbers = [("X_LAYOUT", x_layout), ("Y_LAYOUT", y_layout)];
        let mut convert = |x, y| all.add("convert", &["convert"], &numbers, &[("x", x), ("y", y)]);
        convert(s, s);
        if s == 'h' {
            convert('f', 'h');
            convert('h', 'f');
        }
    }
}

/// These have no element types to choose.
fn tensors(all: &mut Specialisations) {
    if all.is_half() {
        return;
    }
    for f16 in [0, 1] {
        let numbers = [("F16", f16), ("WINOGRAD", 0)];
        all.add("pack", &["pack"], &numbers, &[]);
        for (winograd, turned) in [(2, 0), (2, 1), (4, 0), (4, 1)] {
            let numbers = [("F16", f16), ("WINOGRAD", winograd), ("TURNED", turned)];
            all.add("pack", &["pack"], &numbers, &[]);
        }
    }
    all.add("accumulate", &["accumulate"], &[], &[]);
    all.add("adam", &["adam"], &[], &[]);
    all.add("count_work", &["count_work"], &[], &[]);
}

fn peaks(all: &mut Specialisations) {
    let x: Types = &[("x", all.scalar)];
    all.add("peak", &["multiply_add", "stream"], &[("SIDE", 0)], x);
    if all.is_half() {
        for side in [8, 16] {
            all.add(
                "peak",
                &["multiply_matrices"],
                &[("SIDE", side), ("SUBGROUP", 32)],
                x,
            );
        }
    }
}
