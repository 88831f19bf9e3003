//! Drawn patches: flat colours, gradients, shapes and lines, as in logos, drawings
//! and screenshots. Photos hardly show any, and a model that has seen photos alone
//! leaves noise on flat, saturated colours.

use super::draws::Draws;
use std::f64::consts::TAU;

/// Drawings that are one colour and nothing else, of all.
const PLAIN: f64 = 0.3;

/// The most shapes of a drawing.
const MOST_SHAPES: u64 = 8;

/// Among how many values of noise one is doubled.
const ONE_DOUBLED_IN: u64 = 4;

/// A random drawing of `side` pixels a side, `r, g, b` of each pixel.
pub(super) fn draw(side: usize, draws: &mut Draws) -> Vec<u8> {
    let mut drawing: Vec<[f64; 3]> = vec![color(draws); side * side];
    if draws.unit() >= PLAIN {
        if draws.below(3) == 0 {
            blend_gradient(&mut drawing, side, draws);
        }
        let is_smooth = draws.below(4) > 0;
        for _ in 0..=draws.below(MOST_SHAPES) {
            let (shape, color) = (Shape::random(side as f64, draws), color(draws));
            for (at, pixel) in drawing.iter_mut().enumerate() {
                let distance = shape.distance(center(at, side));
                let cover = match is_smooth {
                    true => (0.5 - distance).clamp(0.0, 1.0),
                    false => f64::from(u8::from(distance < 0.0)),
                };
                blend(pixel, color, cover);
            }
        }
    }
    // The conversion clamps.
    let levels = drawing.iter().flatten().map(|value| value.round() as u8);
    levels.collect()
}

/// Doubles some of the noise. Values of more than four standard deviations are rare,
/// but an image of a megapixel has hundreds of them, and on flat areas the errors that
/// a model makes there show as speckles.
pub(super) fn widen_tails(noise: &mut [f32], draws: &mut Draws) {
    for value in noise {
        if draws.below(ONE_DOUBLED_IN) == 0 {
            *value *= 2.0;
        }
    }
}

/// Saturated, at the ends of the range, as often as not; a quarter are grey.
fn color(draws: &mut Draws) -> [f64; 3] {
    let level = |draws: &mut Draws| match draws.below(2) {
        0 => 255.0 * draws.below(2) as f64,
        _ => draws.below(256) as f64,
    };
    match draws.below(4) {
        0 => [level(draws); 3],
        _ => [0, 1, 2].map(|_| level(draws)),
    }
}

fn center(at: usize, side: usize) -> [f64; 2] {
    [at % side, at / side].map(|at| at as f64 + 0.5)
}

fn blend(pixel: &mut [f64; 3], color: [f64; 3], share: f64) {
    for (value, color) in pixel.iter_mut().zip(color) {
        *value += share * (color - *value);
    }
}

/// Lets the drawing turn into another colour from one side to the other.
fn blend_gradient(drawing: &mut [[f64; 3]], side: usize, draws: &mut Draws) {
    let (color, [dx, dy]) = (color(draws), direction(draws));
    for (at, pixel) in drawing.iter_mut().enumerate() {
        let [x, y] = center(at, side).map(|at| at / side as f64 - 0.5);
        blend(pixel, color, (x * dx + y * dy + 0.5).clamp(0.0, 1.0));
    }
}

fn direction(draws: &mut Draws) -> [f64; 2] {
    // Straight up and across are the most frequent in what people draw.
    let turns = match draws.below(2) {
        0 => draws.below(4) as f64 / 4.0,
        _ => draws.unit(),
    };
    let (sin, cos) = (TAU * turns).sin_cos();
    [cos, sin]
}

/// A shape by its middle and the directions of its sides, in pixels.
struct Shape {
    middle: [f64; 2],
    along: [f64; 2],
    kind: Kind,
}

enum Kind {
    /// All on one side of a line.
    Half,
    Disc {
        radius: f64,
    },
    Ring {
        radius: f64,
        half_width: f64,
    },
    /// Rectangles, and lines if one half is small.
    Bar {
        halves: [f64; 2],
    },
}

impl Shape {
    fn random(side: f64, draws: &mut Draws) -> Self {
        let mut length = |least: f64, most: f64| least + (most - least) * draws.unit();
        let middle = [length(0.0, side), length(0.0, side)];
        let large = length(1.0, 0.4 * side);
        let other = length(1.0, 0.4 * side);
        let half_width = length(0.5, 4.0);
        Self {
            middle,
            along: direction(draws),
            kind: match draws.below(6) {
                0 => Kind::Half,
                1 => Kind::Disc { radius: large },
                2 => Kind::Ring {
                    radius: large,
                    half_width,
                },
                3 => Kind::Bar {
                    halves: [large, other],
                },
                _ => Kind::Bar {
                    halves: [large, half_width],
                },
            },
        }
    }

    /// How far a place is outside, at least; negative inside.
    fn distance(&self, place: [f64; 2]) -> f64 {
        let [dx, dy] = [0, 1].map(|axis| place[axis] - self.middle[axis]);
        let [cos, sin] = self.along;
        let turned = [dx * cos + dy * sin, dy * cos - dx * sin];
        match self.kind {
            Kind::Half => turned[0],
            Kind::Disc { radius } => dx.hypot(dy) - radius,
            Kind::Ring { radius, half_width } => (dx.hypot(dy) - radius).abs() - half_width,
            Kind::Bar { halves } => {
                let [along, across] = [0, 1].map(|axis| turned[axis].abs() - halves[axis]);
                along.max(across)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 48;

    fn drawings() -> impl Iterator<Item = Vec<u8>> {
        (0..400).map(|batch| draw(SIDE, &mut Draws::new(1, batch, 0)))
    }

    #[test]
    fn some_are_plain_and_most_of_the_others_have_flat_areas() {
        let (mut plain, mut flat) = (0, 0);
        for drawing in drawings() {
            assert_eq!(drawing.len(), 3 * SIDE * SIDE);
            let pixels: Vec<&[u8]> = drawing.chunks(3).collect();
            let same = pixels.windows(2).filter(|pair| pair[0] == pair[1]).count();
            plain += usize::from(same + 1 == pixels.len());
            flat += usize::from(2 * same > pixels.len());
        }
        assert!((80..200).contains(&plain), "{plain}");
        assert!(flat > 250, "{flat}");
    }

    #[test]
    fn saturated_colors_are_among_them() {
        let first: Vec<Vec<u8>> = drawings().map(|drawing| drawing[..3].to_vec()).collect();
        for channel in 0..3 {
            for level in [0, 255] {
                let count = first.iter().filter(|c| c[channel] == level).count();
                assert!(count > 40, "{channel} {level}: {count}");
            }
        }
        let grey = first.iter().filter(|c| c[0] == c[1] && c[1] == c[2]);
        assert!((60..220).contains(&grey.count()));
    }

    #[test]
    fn large_noise_is_frequent_and_most_of_it_as_before() {
        let mut draws = Draws::new(1, 2, 3);
        let mut normal = vec![0.0; 100_000];
        draws.fill_normal(&mut normal);
        let mut noise = normal.clone();
        widen_tails(&mut noise, &mut draws);
        let count = |noise: &[f32]| noise.iter().filter(|value| value.abs() > 4.0).count();
        assert!(count(&normal) < 20);
        assert!((1000..1300).contains(&count(&noise)), "{}", count(&noise));
        let same = noise.iter().zip(&normal).filter(|(a, b)| a == b).count();
        assert!((74_000..76_000).contains(&same), "{same}");
    }

    #[test]
    fn distances_are_negative_inside_a_shape() {
        let disc = Shape {
            middle: [8.0, 8.0],
            along: [1.0, 0.0],
            kind: Kind::Disc { radius: 4.0 },
        };
        assert_eq!(disc.distance([8.0, 8.0]), -4.0);
        assert_eq!(disc.distance([8.0, 14.0]), 2.0);
        let bar = Shape {
            middle: [8.0, 8.0],
            along: [0.0, 1.0],
            kind: Kind::Bar { halves: [5.0, 1.0] },
        };
        assert_eq!(bar.distance([8.0, 12.0]), -1.0);
        assert_eq!(bar.distance([10.5, 8.0]), 1.5);
    }
}
