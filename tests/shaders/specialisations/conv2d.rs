//! Convolutions, by each of their kernels.

use super::{EPILOGUES, Epilogue, GEMM_TILES, Numbers, PLAIN, Specialisations, TILES, gemm_tile};

/// (KERNEL, STRIDE)
const KERNELS: [(i64, i64); 4] = [(3, 1), (3, 2), (1, 1), (1, 2)];

/// (TILE_WIDTH, TILE_HEIGHT, TILE_BLOCKS, EACH_ROWS, EACH_BLOCKS, STAGED_WEIGHTS)
const SPATIAL_TILES: [[i64; 6]; 8] = [
    [16, 16, 8, 8, 2, 1],
    [8, 8, 8, 4, 2, 1],
    [32, 16, 8, 8, 2, 1],
    [8, 16, 16, 8, 2, 1],
    [16, 16, 16, 8, 2, 1],
    [16, 16, 4, 8, 2, 1],
    [32, 16, 2, 8, 2, 0],
    [16, 32, 4, 4, 4, 0],
];

/// (SIDE, TILE_WIDTH, TILE_HEIGHT, TILE_OUTPUTS, EACH_ROWS, EACH_COLUMNS)
const MATRIX_TILES: [[i64; 6]; 13] = [
    [16, 16, 16, 32, 4, 2],
    [16, 16, 4, 16, 2, 1],
    [16, 16, 4, 32, 2, 2],
    [16, 32, 8, 32, 4, 2],
    [16, 16, 8, 64, 4, 2],
    [16, 16, 16, 64, 4, 4],
    [16, 32, 16, 64, 4, 4],
    [16, 16, 8, 128, 4, 4],
    [16, 16, 16, 128, 4, 4],
    [8, 16, 8, 32, 4, 4],
    [8, 16, 2, 16, 1, 2],
    [8, 16, 16, 32, 8, 4],
    [8, 16, 8, 64, 4, 4],
];

pub(super) fn add(all: &mut Specialisations) {
    gemm(all);
    spatial(all);
    winograd(all);
    direct(all);
    if all.is_half() {
        matrix(all);
    }
}

/// What every kernel that reads the image itself is specialised by.
#[derive(Clone, Copy)]
struct Options {
    kernel: i64,
    reflect: i64,
    in_place: i64,
    bias: i64,
    epilogue: Epilogue,
}

impl Options {
    fn new(kernel: i64, [reflect, in_place, bias]: [i64; 3], epilogue: Epilogue) -> Self {
        Self {
            kernel,
            reflect,
            in_place,
            bias,
            epilogue,
        }
    }

    /// Padding: 2 pixels for some of those that gradients are made by, which neither
    /// reflect nor have a bias.
    fn pad(&self) -> Numbers<'static> {
        match (self.kernel, self.reflect, self.bias) {
            (3, 0, 0) => &[("PAD", 2)],
            (3, ..) => &[("PAD", 1)],
            _ => &[],
        }
    }
}

fn convolution(
    all: &mut Specialisations,
    shader: &'static str,
    entries: &'static [&'static str],
    options: Options,
    tile: Numbers,
) {
    let numbers = [
        ("KERNEL", options.kernel),
        ("REFLECT", options.reflect),
        ("IN_PLACE", options.in_place),
        ("BIAS", options.bias),
    ];
    let numbers = [&numbers[..], options.pad(), tile].concat();
    let types = [("w", all.scalar), ("x", all.scalar)];
    // What is in place is read as y.
    let types = if options.in_place == 1 {
        &types[..1]
    } else {
        &types
    };
    all.add_with_epilogue(shader, entries, &numbers, types, options.epilogue);
}

fn gemm(all: &mut Specialisations) {
    let mut gemm = |(kernel, stride), tile, aligned, options, epilogue| {
        let options = Options::new(kernel, options, epilogue);
        let stride = [("STRIDE", stride), ("ALIGNED", aligned)];
        let tile = [&stride[..], &gemm_tile(tile)].concat();
        convolution(all, "conv2d_gemm", &["conv2d_gemm"], options, &tile);
    };
    for tile in GEMM_TILES {
        gemm((3, 1), tile, 0, [1, 0, 1], PLAIN);
        gemm((3, 1), tile, 1, [0, 0, 1], PLAIN);
    }
    for kernel in KERNELS {
        let options = [
            ([0, 0, 0], 0),
            ([0, 1, 1], 1),
            ([1, 0, 1], 1),
            ([1, 1, 0], 0),
        ];
        for (options, aligned) in options {
            gemm(kernel, GEMM_TILES[3], aligned, options, (2, 1, 2));
        }
    }
}

fn spatial(all: &mut Specialisations) {
    let mut spatial = |tile: [i64; 6], options, epilogue| {
        let [width, height, blocks, each_rows, each_blocks, staged] = tile;
        let tile = [
            ("TILE_WIDTH", width),
            ("TILE_HEIGHT", height),
            ("TILE_BLOCKS", blocks),
            ("EACH_ROWS", each_rows),
            ("EACH_BLOCKS", each_blocks),
            ("STAGED_WEIGHTS", staged),
        ];
        let options = Options::new(3, options, epilogue);
        convolution(all, "conv2d_spatial", &["conv2d_spatial"], options, &tile);
    };
    for tile in SPATIAL_TILES {
        spatial(tile, [1, 0, 1], PLAIN);
        spatial(tile, [0, 1, 1], (1, 0, 0));
    }
    for options in [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]] {
        spatial(SPATIAL_TILES[1], options, (2, 1, 2));
    }
}

fn winograd(all: &mut Specialisations) {
    for outputs in [2, 4] {
        for reflect in [0, 1] {
            let numbers = [
                ("OUTPUTS", outputs),
                ("KERNEL", 3),
                ("PAD", 1),
                ("REFLECT", reflect),
            ];
            let types = [("x", all.scalar)];
            let entries = &["conv2d_winograd_input"];
            all.add("conv2d_winograd_input", entries, &numbers, &types);
        }
        for epilogue in EPILOGUES {
            let numbers = [("OUTPUTS", outputs), ("BIAS", 1 - epilogue.1)];
            let entries = &["conv2d_winograd_output"];
            all.add_with_epilogue("conv2d_winograd_output", entries, &numbers, &[], epilogue);
        }
    }
    // In f32 whatever the images are in.
    if !all.is_half() {
        for tile in GEMM_TILES {
            let entries = &["conv2d_winograd_product"];
            all.add("conv2d_winograd_product", entries, &gemm_tile(tile), &[]);
        }
    }
}

fn direct(all: &mut Specialisations) {
    let mut direct = |(kernel, stride), (rows, blocks), options, epilogue| {
        let tile = [("STRIDE", stride), ("ROWS", rows), ("BLOCKS", blocks)];
        let options = Options::new(kernel, options, epilogue);
        convolution(all, "conv2d", &["conv2d"], options, &tile);
    };
    for kernel in KERNELS {
        for tile in TILES {
            direct(kernel, tile, [0, 0, 1], PLAIN);
        }
        for options in [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]] {
            direct(kernel, (4, 2), options, (1, 0, 1));
        }
    }
    for epilogue in EPILOGUES {
        direct((3, 1), (4, 2), [0, 0, 1], epilogue);
    }
}

fn matrix(all: &mut Specialisations) {
    let mut matrix = |(kernel, stride), tile: [i64; 6], emulated, options, epilogue| {
        let [side, width, height, outputs, each_rows, each_columns] = tile;
        let tile = [
            ("STRIDE", stride),
            ("SIDE", side),
            ("SUBGROUP", if side == 16 { 32 } else { 8 }),
            ("TILE_WIDTH", width),
            ("TILE_HEIGHT", height),
            ("TILE_OUTPUTS", outputs),
            ("TILE_DEPTH", if kernel == 1 { 32 } else { 16 }),
            ("EACH_ROWS", each_rows),
            ("EACH_COLUMNS", each_columns),
            ("EMULATED", emulated),
        ];
        let options = Options::new(kernel, options, epilogue);
        convolution(all, "conv2d_matrix", &["conv2d_matrix"], options, &tile);
    };
    for kernel in KERNELS {
        for tile in MATRIX_TILES {
            matrix(kernel, tile, 0, [0, 0, 1], PLAIN);
        }
        for tile in [MATRIX_TILES[1], MATRIX_TILES[10]] {
            for emulated in [0, 1] {
                matrix(kernel, tile, emulated, [0, 1, 1], (2, 1, 2));
                matrix(kernel, tile, emulated, [1, 0, 0], (1, 0, 1));
            }
        }
    }
}
