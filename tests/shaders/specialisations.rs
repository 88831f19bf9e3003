//! Specialisations of every shader: each parameter's values, the tiles and
//! combinations of options that the planner may ask for.

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

/// (KERNEL, STRIDE)
const KERNELS: [(i64, i64); 4] = [(3, 1), (3, 2), (1, 1), (1, 2)];

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

/// Padding of a convolution with this kernel: 2 pixels for some of those that
/// gradients are made by, which neither reflect nor have a bias.
fn pad(kernel: i64, reflect: i64, bias: i64) -> Numbers<'static> {
    match (kernel, reflect, bias) {
        (3, 0, 0) => &[("PAD", 2)],
        (3, ..) => &[("PAD", 1)],
        _ => &[],
    }
}

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

/// With an epilogue, whose arrays are all of type `scalar`.
fn with_epilogue(epilogue: Epilogue, scalar: char, numbers: Numbers, types: Types) -> Parameters {
    let (activation, table, residuals) = epilogue;
    let mut all = parameters(numbers, types);
    all.number("ACTIVATION", activation);
    all.number("TABLE", table);
    all.number("RESIDUALS", residuals);
    let scalar = if scalar == 'h' { "f16" } else { "f32" };
    all.word("y_scalar", scalar);
    if table == 1 {
        all.word("table_scalar", scalar);
    }
    for i in 0..residuals {
        all.word(&format!("residual_{i}_scalar"), scalar);
    }
    all
}

/// Every specialisation in f32, or with f16.
pub fn specialisations(half: bool) -> Vec<Specialisation> {
    let s = if half { 'h' } else { 'f' };
    let mut all = Vec::new();
    let mut add = |shader, entries, parameters| {
        all.push(Specialisation {
            shader,
            parameters,
            entries,
        });
    };

    let mut conv2d_gemm =
        |(kernel, stride), tile, [reflect, in_place, bias, aligned]: [i64; 4], epilogue| {
            let numbers = [
                ("KERNEL", kernel),
                ("STRIDE", stride),
                ("REFLECT", reflect),
                ("IN_PLACE", in_place),
                ("BIAS", bias),
                ("ALIGNED", aligned),
            ];
            let numbers = [&numbers[..], &gemm_tile(tile), pad(kernel, reflect, bias)].concat();
            let types: Types = match in_place {
                0 => &[("x", s), ("w", s)],
                _ => &[("w", s)],
            };
            add(
                "conv2d_gemm",
                &["conv2d_gemm"],
                with_epilogue(epilogue, s, &numbers, types),
            );
        };
    for tile in GEMM_TILES {
        conv2d_gemm((3, 1), tile, [1, 0, 1, 0], PLAIN);
        conv2d_gemm((3, 1), tile, [0, 0, 1, 1], PLAIN);
    }
    for kernel in KERNELS {
        for options in [[0, 0, 0, 0], [0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 0]] {
            conv2d_gemm(kernel, GEMM_TILES[3], options, (2, 1, 2));
        }
    }

    let mut conv2d_spatial = |tile: [i64; 6], [reflect, in_place, bias]: [i64; 3], epilogue| {
        let [width, height, blocks, each_rows, each_blocks, staged] = tile;
        let numbers = [
            ("KERNEL", 3),
            ("REFLECT", reflect),
            ("IN_PLACE", in_place),
            ("BIAS", bias),
            ("TILE_WIDTH", width),
            ("TILE_HEIGHT", height),
            ("TILE_BLOCKS", blocks),
            ("EACH_ROWS", each_rows),
            ("EACH_BLOCKS", each_blocks),
            ("STAGED_WEIGHTS", staged),
        ];
        let numbers = [&numbers[..], pad(3, reflect, bias)].concat();
        let types: Types = match in_place {
            0 => &[("x", s), ("w", s)],
            _ => &[("w", s)],
        };
        add(
            "conv2d_spatial",
            &["conv2d_spatial"],
            with_epilogue(epilogue, s, &numbers, types),
        );
    };
    for tile in SPATIAL_TILES {
        conv2d_spatial(tile, [1, 0, 1], PLAIN);
        conv2d_spatial(tile, [0, 1, 1], (1, 0, 0));
    }
    for options in [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]] {
        conv2d_spatial(SPATIAL_TILES[1], options, (2, 1, 2));
    }

    for outputs in [2, 4] {
        for reflect in [0, 1] {
            let numbers = [
                ("OUTPUTS", outputs),
                ("KERNEL", 3),
                ("PAD", 1),
                ("REFLECT", reflect),
            ];
            add(
                "conv2d_winograd_input",
                &["conv2d_winograd_input"],
                parameters(&numbers, &[("x", s)]),
            );
        }
        for epilogue in EPILOGUES {
            let numbers = [("OUTPUTS", outputs), ("BIAS", 1 - epilogue.1)];
            add(
                "conv2d_winograd_output",
                &["conv2d_winograd_output"],
                with_epilogue(epilogue, s, &numbers, &[]),
            );
        }
    }

    let mut conv2d =
        |(kernel, stride), (rows, blocks), [reflect, in_place, bias]: [i64; 3], epilogue| {
            let numbers = [
                ("KERNEL", kernel),
                ("STRIDE", stride),
                ("REFLECT", reflect),
                ("IN_PLACE", in_place),
                ("BIAS", bias),
                ("ROWS", rows),
                ("BLOCKS", blocks),
            ];
            let numbers = [&numbers[..], pad(kernel, reflect, bias)].concat();
            let types: Types = match in_place {
                0 => &[("x", s), ("w", s)],
                _ => &[("w", s)],
            };
            add(
                "conv2d",
                &["conv2d"],
                with_epilogue(epilogue, s, &numbers, types),
            );
        };
    for kernel in KERNELS {
        for tile in TILES {
            conv2d(kernel, tile, [0, 0, 1], PLAIN);
        }
        for options in [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]] {
            conv2d(kernel, (4, 2), options, (1, 0, 1));
        }
    }
    for epilogue in EPILOGUES {
        conv2d((3, 1), (4, 2), [0, 0, 1], epilogue);
    }

    // On matrices of f16 alone.
    let mut conv2d_matrix = |(kernel, stride),
                             tile: [i64; 6],
                             [reflect, in_place, bias, emulated]: [i64; 4],
                             epilogue| {
        let [side, width, height, outputs, each_rows, each_columns] = tile;
        let numbers = [
            ("KERNEL", kernel),
            ("STRIDE", stride),
            ("REFLECT", reflect),
            ("IN_PLACE", in_place),
            ("BIAS", bias),
            ("SIDE", side),
            ("TILE_WIDTH", width),
            ("TILE_HEIGHT", height),
            ("TILE_OUTPUTS", outputs),
            ("TILE_DEPTH", if kernel == 1 { 32 } else { 16 }),
            ("EACH_ROWS", each_rows),
            ("EACH_COLUMNS", each_columns),
            ("EMULATED", emulated),
        ];
        let numbers = [&numbers[..], pad(kernel, reflect, bias)].concat();
        let types: Types = match in_place {
            0 => &[("x", s), ("w", s)],
            _ => &[("w", s)],
        };
        add(
            "conv2d_matrix",
            &["conv2d_matrix"],
            with_epilogue(epilogue, s, &numbers, types),
        );
    };
    if half {
        for kernel in KERNELS {
            for tile in MATRIX_TILES {
                conv2d_matrix(kernel, tile, [0, 0, 1, 0], PLAIN);
            }
            for tile in [MATRIX_TILES[1], MATRIX_TILES[10]] {
                for emulated in [0, 1] {
                    conv2d_matrix(kernel, tile, [0, 1, 1, emulated], (2, 1, 2));
                    conv2d_matrix(kernel, tile, [1, 0, 0, emulated], (1, 0, 1));
                }
            }
        }
    }

    for tile in GEMM_TILES {
        for aligned in [0, 1] {
            let numbers = [&gemm_tile(tile)[..], &[("ALIGNED", aligned)]].concat();
            let types = [("x", s), ("w", s), ("y", s)];
            add(
                "conv_transpose2d_gemm",
                &["conv_transpose2d_gemm"],
                parameters(&numbers, &types),
            );
        }
    }
    for (pixels, blocks) in TILES {
        let numbers = [("PIXELS", pixels), ("BLOCKS", blocks)];
        let types = [("x", s), ("w", s), ("y", s)];
        add(
            "conv_transpose2d",
            &["conv_transpose2d"],
            parameters(&numbers, &types),
        );
    }
    for epilogue in EPILOGUES {
        add(
            "pointwise",
            &["pointwise"],
            with_epilogue(epilogue, s, &[], &[("x", s)]),
        );
        let normalize = with_epilogue(epilogue, s, &[("STATISTICS", 0)], &[("x", s)]);
        add("group_norm", &["normalize"], normalize);
    }
    let statistics = parameters(&[("STATISTICS", 1)], &[("x", s)]);
    add("group_norm", &["statistics_of_group"], statistics);
    let context = parameters(&[("CONTEXT", 1)], &[("x", s)]);
    add("linear_attention", &["context_of_head"], context);
    let attend = parameters(&[("CONTEXT", 0)], &[("x", s), ("y", s)]);
    add("linear_attention", &["attend"], attend);

    gradients(s, &mut add);

    let xy: Types = &[("x", s), ("y", s)];
    add(
        "linear",
        &["linear"],
        parameters(&[], &[("x", s), ("w", s), ("y", s)]),
    );
    add(
        "upsample_bicubic",
        &["upsample_bicubic"],
        parameters(&[], xy),
    );
    add(
        "upsample_nearest",
        &["upsample_nearest"],
        parameters(&[], xy),
    );
    let images = [("x", s), ("up", s), ("sr", s)];
    add("reconstruct", &["reconstruct"], parameters(&[], &images));
    add("noise", &["noise"], parameters(&[], &[("x", s)]));
    add(
        "count_non_finite",
        &["count_non_finite"],
        parameters(&[], &[("x", s)]),
    );
    add(
        "estimate_x0",
        &["estimate_x0"],
        parameters(&[], &[("eps", s)]),
    );
    add(
        "sampler_update",
        &["sampler_update"],
        parameters(&[("REPLAYED", 1)], &[("z", s)]),
    );
    for (x_layout, y_layout) in [(0, 1), (1, 0), (2, 1), (1, 2), (0, 2)] {
        let numbers = [("X_LAYOUT", x_layout), ("Y_LAYOUT", y_layout)];
        add("convert", &["convert"], parameters(&numbers, xy));
        if half {
            add(
                "convert",
                &["convert"],
                parameters(&numbers, &[("x", 'f'), ("y", 'h')]),
            );
            add(
                "convert",
                &["convert"],
                parameters(&numbers, &[("x", 'h'), ("y", 'f')]),
            );
        }
    }
    // These have no element types to choose.
    if !half {
        add(
            "sampler_update",
            &["sampler_update"],
            parameters(&[("REPLAYED", 0)], &[]),
        );
        for f16 in [0, 1] {
            let numbers = [("F16", f16), ("WINOGRAD", 0)];
            add("pack", &["pack"], parameters(&numbers, &[]));
            for (winograd, turned) in [(2, 0), (2, 1), (4, 0), (4, 1)] {
                let numbers = [("F16", f16), ("WINOGRAD", winograd), ("TURNED", turned)];
                add("pack", &["pack"], parameters(&numbers, &[]));
            }
        }
        for tile in GEMM_TILES {
            add(
                "conv2d_winograd_product",
                &["conv2d_winograd_product"],
                parameters(&gemm_tile(tile), &[]),
            );
        }
        add("accumulate", &["accumulate"], parameters(&[], &[]));
        add("adam", &["adam"], parameters(&[], &[]));
        add("count_work", &["count_work"], parameters(&[], &[]));
    }
    let vectors = parameters(&[("SIDE", 0)], &[("x", s)]);
    add("peak", &["multiply_add", "stream"], vectors);
    if half {
        for side in [8, 16] {
            let matrices = parameters(&[("SIDE", side)], &[("x", s)]);
            add("peak", &["multiply_matrices"], matrices);
        }
    }
    all
}

/// What training adds, but for the optimizer's operations on tensors.
fn gradients(s: char, add: &mut impl FnMut(&'static str, &'static [&'static str], Parameters)) {
    for activation in 0..3 {
        let types: Types = match activation {
            0 => &[("dy", s), ("dx", s)],
            _ => &[("x", s), ("dy", s), ("dx", s)],
        };
        add(
            "activation_gradient",
            &["activation_gradient"],
            parameters(&[("ACTIVATION", activation)], types),
        );
    }
    let xy: Types = &[("x", s), ("y", s)];
    add("dilate", &["dilate"], parameters(&[], xy));
    for reflect in [0, 1] {
        let numbers = [("REFLECT", reflect)];
        add("fold_border", &["fold_border"], parameters(&numbers, xy));
    }
    add(
        "upsample_nearest_gradient",
        &["upsample_nearest_gradient"],
        parameters(&[], &[("dy", s), ("dx", s)]),
    );
    add(
        "channel_sum",
        &["part_of_plane"],
        parameters(&[("PARTS", 1)], &[("x", s)]),
    );
    add(
        "channel_sum",
        &["add_parts"],
        parameters(&[("PARTS", 0), ("TENSOR", 1)], &[]),
    );
    add(
        "channel_sum",
        &["add_parts"],
        parameters(&[("PARTS", 0), ("TENSOR", 0)], &[("y", s)]),
    );
    for norm in [1, 2] {
        let types = [
            ("prediction", s),
            ("wanted", 'f'),
            ("scale", 'f'),
            ("gradient", s),
        ];
        let numbers = [("PARTS", 1), ("NORM", norm)];
        add("loss", &["part_of_loss"], parameters(&numbers, &types));
    }
    let sum = parameters(&[("PARTS", 0)], &[("loss", s)]);
    add("loss", &["add_parts"], sum);
    let sum = parameters(&[("PARTS", 0)], &[("y", s)]);
    add("squared_norms", &["add_parts"], sum);
    if s == 'f' {
        let part = parameters(&[("PARTS", 1)], &[]);
        add("squared_norms", &["part_of_tensor"], part);
        let all = parameters(&[("PARTS", 0)], &[]);
        add("conv2d_weight_gradient", &["add_parts"], all);
        let terms = parameters(&[("PASS", 1)], &[]);
        add("group_norm_gradient", &["terms_of_channels"], terms);
    }
    let operands: Types = &[("x", s), ("dy", s)];
    for (kernel, stride, pad) in [(1, 1, 0), (3, 1, 1), (3, 2, 1), (4, 2, 1), (8, 4, 2)] {
        let numbers = [("PARTS", 1), ("KERNEL", kernel), ("STRIDE", stride)];
        let reflects: &[i64] = if kernel == 3 { &[0, 1] } else { &[0] };
        for &reflect in reflects {
            let border: Numbers = &[("PAD", pad), ("REFLECT", reflect)];
            let border = if kernel == 1 { &[] } else { border };
            add(
                "conv2d_weight_gradient",
                &["part_of_product"],
                parameters(&[&numbers[..], border].concat(), operands),
            );
        }
    }
    add(
        "conv_transpose2d_gradient",
        &["conv_transpose2d_gradient"],
        parameters(
            &[("ROWS", 4), ("BLOCKS", 2)],
            &[("dy", s), ("w", s), ("dx", s)],
        ),
    );
    add(
        "group_norm_gradient",
        &["sums_of_channels"],
        parameters(&[("PASS", 0)], operands),
    );
    add(
        "group_norm_gradient",
        &["gradient_of_x"],
        parameters(&[("PASS", 2)], &[("x", s), ("dy", s), ("dx", s)]),
    );
    let passes: [(&'static [&'static str], Types); 3] = [
        (&["softmax_of_keys"], &[("qkv", s)]),
        (&["products_of_head"], &[("qkv", s), ("dy", s)]),
        (&["gradients"], &[("qkv", s), ("dy", s), ("dqkv", s)]),
    ];
    for (pass, (entries, types)) in (0..).zip(passes) {
        add(
            "linear_attention_gradient",
            entries,
            parameters(&[("PASS", pass)], types),
        );
    }
}
