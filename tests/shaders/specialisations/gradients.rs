//! What training adds, but for the optimizer's operations on tensors.

use super::{Numbers, Specialisations, Types};

pub(super) fn add(all: &mut Specialisations) {
    let s = all.scalar;
    for activation in 0..3 {
        let types: Types = match activation {
            0 => &[("dy", s), ("dx", s)],
            _ => &[("x", s), ("dy", s), ("dx", s)],
        };
        all.add(
            "activation_gradient",
            &["activation_gradient"],
            &[("ACTIVATION", activation)],
            types,
        );
    }
    let xy: Types = &[("x", s), ("y", s)];
    all.add("dilate", &["dilate"], &[], xy);
    for reflect in [0, 1] {
        let numbers = [("REFLECT", reflect)];
        all.add("fold_border", &["fold_border"], &numbers, xy);
    }
    all.add(
        "upsample_nearest_gradient",
        &["upsample_nearest_gradient"],
        &[],
        &[("dy", s), ("dx", s)],
    );
    all.add(
        "channel_sum",
        &["part_of_plane"],
        &[("PARTS", 1)],
        &[("x", s)],
    );
    all.add(
        "channel_sum",
        &["add_parts"],
        &[("PARTS", 0), ("TENSOR", 1)],
        &[],
    );
    all.add(
        "channel_sum",
        &["add_parts"],
        &[("PARTS", 0), ("TENSOR", 0)],
        &[("y", s)],
    );
    for norm in [1, 2] {
        let types = [
            ("prediction", s),
            ("wanted", 'f'),
            ("scale", 'f'),
            ("gradient", s),
        ];
        let numbers = [("PARTS", 1), ("NORM", norm)];
        all.add("loss", &["part_of_loss"], &numbers, &types);
    }
    all.add("loss", &["add_parts"], &[("PARTS", 0)], &[("loss", s)]);
    all.add(
        "squared_norms",
        &["add_parts"],
        &[("PARTS", 0)],
        &[("y", s)],
    );
    if s == 'f' {
        all.add("squared_norms", &["part_of_tensor"], &[("PARTS", 1)], &[]);
        all.add(
            "conv2d_weight_gradient",
            &["add_parts"],
            &[("PARTS", 0)],
            &[],
        );
        all.add(
            "group_norm_gradient",
            &["terms_of_channels"],
            &[("PASS", 1)],
            &[],
        );
    }
    let operands: Types = &[("x", s), ("dy", s)];
    for (kernel, stride, pad) in [(1, 1, 0), (3, 1, 1), (3, 2, 1), (4, 2, 1), (8, 4, 2)] {
        let numbers = [("PARTS", 1), ("KERNEL", kernel), ("STRIDE", stride)];
        let reflects: &[i64] = if kernel == 3 { &[0, 1] } else { &[0] };
        for &reflect in reflects {
            let border: Numbers = &[("PAD", pad), ("REFLECT", reflect)];
            let border = if kernel == 1 { &[] } else { border };
            all.add(
                "conv2d_weight_gradient",
                &["part_of_product"],
                &[&numbers[..], border].concat(),
                operands,
            );
        }
    }
    all.add(
        "conv_transpose2d_gradient",
        &["conv_transpose2d_gradient"],
        &[("ROWS", 4), ("BLOCKS", 2)],
        &[("dy", s), ("w", s), ("dx", s)],
    );
    all.add(
        "group_norm_gradient",
        &["sums_of_channels"],
        &[("PASS", 0)],
        operands,
    );
    all.add(
        "group_norm_gradient",
        &["gradient_of_x"],
        &[("PASS", 2)],
        &[("x", s), ("dy", s), ("dx", s)],
    );
    let passes: [(&'static [&'static str], Types); 3] = [
        (&["softmax_of_keys"], &[("qkv", s)]),
        (&["products_of_head"], &[("qkv", s), ("dy", s)]),
        (&["gradients"], &[("qkv", s), ("dy", s), ("dqkv", s)]),
    ];
    for (pass, (entries, types)) in (0..).zip(passes) {
        all.add(
            "linear_attention_gradient",
            entries,
            &[("PASS", pass)],
            types,
        );
    }
}
