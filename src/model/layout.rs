//! Names and shapes of a model's tensors.

use std::collections::BTreeMap;

use super::{ModelProblem, Settings};

/// Shapes of tensors by name, weight normalisation already folded.
pub(super) type Shapes = BTreeMap<String, Vec<usize>>;

/// Every tensor of a model with these settings: its name and shape.
///
/// Names and layouts are PyTorch's: a convolution's weight is
/// `[out, in, height, width]`, a transposed convolution's `[in, out, height, width]`,
/// a linear layer's `[out, in]`.
pub fn expected_tensors(settings: &Settings) -> Vec<(String, Vec<usize>)> {
    let mut list = List {
        groups: settings.groups.is_some(),
        temb: settings.hidden,
        tensors: Vec::new(),
    };
    list.encoder(settings);
    list.unet(settings);
    list.tensors
}

/// Checks that `shapes` are those of a model with these settings.
pub(super) fn check(settings: &Settings, shapes: &Shapes) -> Result<(), ModelProblem> {
    let mut expected: Shapes = expected_tensors(settings).into_iter().collect();
    for (name, found) in shapes {
        let Some(expected) = expected.remove(name) else {
            return Err(ModelProblem::Extra(name.clone()));
        };
        if expected != *found {
            return Err(ModelProblem::Shape {
                name: name.clone(),
                found: found.clone(),
                expected,
            });
        }
    }
    match expected.into_keys().next() {
        Some(name) => Err(ModelProblem::Missing(name)),
        None => Ok(()),
    }
}

/// Whether `name` is part of the encoder's own super-resolution head, which
/// diffusion does not need.
pub(super) fn is_sr_head(name: &str) -> bool {
    name.strip_prefix("rrdb.").is_some_and(|name| {
        ["upconv", "HRconv.", "conv_last."]
            .iter()
            .any(|part| name.starts_with(part))
    })
}

struct List {
    groups: bool,
    /// Features of the time embedding.
    temb: usize,
    tensors: Vec<(String, Vec<usize>)>,
}

impl List {
    fn push(&mut self, name: String, shape: &[usize]) {
        self.tensors.push((name, shape.to_vec()));
    }

    fn with_bias(&mut self, name: &str, shape: &[usize], bias: usize) {
        self.push(format!("{name}.weight"), shape);
        self.push(format!("{name}.bias"), &[bias]);
    }

    fn conv(&mut self, name: &str, cin: usize, cout: usize, kernel: usize) {
        self.with_bias(name, &[cout, cin, kernel, kernel], cout);
    }

    fn conv_transpose(&mut self, name: &str, cin: usize, cout: usize, kernel: usize) {
        self.with_bias(name, &[cin, cout, kernel, kernel], cout);
    }

    fn linear(&mut self, name: &str, cin: usize, cout: usize) {
        self.with_bias(name, &[cout, cin], cout);
    }

    /// Reflection pad, conv 3x3, optional group norm, Mish.
    fn block(&mut self, name: &str, cin: usize, cout: usize) {
        self.conv(&format!("{name}.block.1"), cin, cout, 3);
        if self.groups {
            self.with_bias(&format!("{name}.block.2"), &[cout], cout);
        }
    }

    fn resnet_block(&mut self, name: &str, cin: usize, cout: usize) {
        self.linear(&format!("{name}.mlp.1"), self.temb, cout);
        self.block(&format!("{name}.block1"), cin, cout);
        self.block(&format!("{name}.block2"), cout, cout);
        if cin != cout {
            self.conv(&format!("{name}.res_conv"), cin, cout, 1);
        }
    }

    fn encoder(&mut self, settings: &Settings) {
        let (nf, gc) = (settings.rrdb_features, settings.rrdb_growth);
        self.conv("rrdb.conv_first", 3, nf, 3);
        for block in 0..settings.rrdb_blocks {
            for dense in 1..=3 {
                for k in 1..=5 {
                    let name = format!("rrdb.RRDB_trunk.{block}.RDB{dense}.conv{k}");
                    let cout = if k < 5 { gc } else { nf };
                    self.conv(&name, nf + (k - 1) * gc, cout, 3);
                }
            }
        }
        self.conv("rrdb.trunk_conv", nf, nf, 3);
        if settings.has_sr_head {
            for doubling in 1..=settings.scale.ilog2() {
                self.conv(&format!("rrdb.upconv{doubling}"), nf, nf, 3);
            }
            self.conv("rrdb.HRconv", nf, nf, 3);
            self.conv("rrdb.conv_last", nf, 3, 3);
        }
    }

    fn unet(&mut self, settings: &Settings) {
        let hidden = settings.hidden;
        let last = settings.levels() - 1;
        let channels: Vec<usize> = (0..=last).map(|level| settings.channels(level)).collect();
        let deepest = channels[last];

        let (maps, kernel) = (settings.conditioning_channels(), 2 * settings.scale);
        self.conv_transpose("denoise_fn.cond_proj", maps, hidden, kernel);
        self.linear("denoise_fn.mlp.0", hidden, 4 * hidden);
        self.linear("denoise_fn.mlp.2", 4 * hidden, hidden);
        if settings.up_input {
            self.conv("denoise_fn.up_proj.1", 3, hidden, 3);
        }

        let mut cin = 3;
        for (i, &c) in channels.iter().enumerate() {
            self.resnet_block(&format!("denoise_fn.downs.{i}.0"), cin, c);
            self.resnet_block(&format!("denoise_fn.downs.{i}.1"), c, c);
            if i < last {
                self.conv(&format!("denoise_fn.downs.{i}.2.conv.1"), c, c, 3);
            }
            cin = c;
        }

        self.resnet_block("denoise_fn.mid_block1", deepest, deepest);
        if let Some(attention) = settings.attention {
            let inner = attention.heads * attention.head_dim;
            let qkv = "denoise_fn.mid_attn.fn.fn.to_qkv.weight";
            self.push(qkv.to_owned(), &[3 * inner, deepest, 1, 1]);
            self.conv("denoise_fn.mid_attn.fn.fn.to_out", inner, deepest, 1);
            self.push("denoise_fn.mid_attn.fn.g".to_owned(), &[1]);
        }
        self.resnet_block("denoise_fn.mid_block2", deepest, deepest);

        for (j, level) in (1..=last).rev().enumerate() {
            let (c, cout) = (channels[level], channels[level - 1]);
            self.resnet_block(&format!("denoise_fn.ups.{j}.0"), 2 * c, cout);
            self.resnet_block(&format!("denoise_fn.ups.{j}.1"), cout, cout);
            self.conv_transpose(&format!("denoise_fn.ups.{j}.2.conv.0"), cout, cout, 4);
        }

        self.block("denoise_fn.final_conv.0", hidden, hidden);
        self.conv("denoise_fn.final_conv.1", hidden, 3, 1);
    }
}
