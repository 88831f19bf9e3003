//! The measures against numbers from scipy's filters.

use super::{noise, noise_picture, reference};
use serde::Deserialize;
use srdiff::image::Picture;
use srdiff::image::metrics::{MetricError, lr_psnr, luma, psnr_rgb, psnr_y, ssim_rgb, ssim_y};

#[derive(Deserialize)]
struct Measures {
    height: usize,
    width: usize,
    spread: i32,
    seed: usize,
    border: usize,
    scale: usize,
    psnr_rgb: f64,
    psnr_y: f64,
    ssim_y: f64,
    ssim_rgb: f64,
    lr_psnr: f64,
}

impl Measures {
    /// A picture, and itself with noise of up to `spread` added.
    fn pair(&self) -> [Picture; 2] {
        let a = noise_picture(self.width, self.height, self.seed);
        let mut b = a.clone();
        let noise = noise(b.rgb.len(), self.seed + 1);
        for (sample, noise) in b.rgb.as_u8_mut().unwrap().iter_mut().zip(noise) {
            let offset = i32::from(noise) % (2 * self.spread + 1) - self.spread;
            *sample = (i32::from(*sample) + offset).clamp(0, 255) as u8;
        }
        [a, b]
    }

    /// What the measures give for the pair, beside what they should.
    fn compared(&self, [a, b]: &[Picture; 2]) -> [(&'static str, f64, f64); 5] {
        let lr = self.pair()[0]
            .resized(self.width / self.scale, self.height / self.scale)
            .unwrap();
        let border = self.border;
        [
            ("psnr_rgb", psnr_rgb(a, b, border).unwrap(), self.psnr_rgb),
            ("psnr_y", psnr_y(a, b, border).unwrap(), self.psnr_y),
            ("ssim_y", ssim_y(a, b, border).unwrap(), self.ssim_y),
            ("ssim_rgb", ssim_rgb(a, b).unwrap(), self.ssim_rgb),
            ("lr_psnr", lr_psnr(b, &lr).unwrap(), self.lr_psnr),
        ]
    }
}

#[test]
fn measures_agree_with_the_reference() {
    let cases: Vec<Measures> = reference("measures");
    assert!(!cases.is_empty());
    for case in &cases {
        for (name, ours, theirs) in case.compared(&case.pair()) {
            assert!(
                (ours - theirs).abs() < 1e-9,
                "{name} of {}x{}, border {}: {ours}, should be {theirs}",
                case.width,
                case.height,
                case.border
            );
        }
    }
}

#[test]
fn a_wrong_pixel_is_noticed() {
    let cases: Vec<Measures> = reference("measures");
    for case in &cases {
        let mut pair = case.pair();
        let b = &mut pair[1];
        let middle = 3 * (b.width * (b.height / 2) + b.width / 2);
        for sample in &mut b.rgb.as_u8_mut().unwrap()[middle..middle + 3] {
            *sample ^= 0x40;
        }
        for (name, ours, theirs) in case.compared(&pair) {
            assert!((ours - theirs).abs() > 1e-6, "{name}: still {ours}");
        }
    }
}

#[test]
fn equal_pictures_are_infinitely_alike() {
    let picture = noise_picture(30, 22, 2);
    assert_eq!(psnr_rgb(&picture, &picture, 4), Ok(f64::INFINITY));
    assert_eq!(psnr_y(&picture, &picture, 4), Ok(f64::INFINITY));
    assert_eq!(ssim_y(&picture, &picture, 4), Ok(1.0));
    assert_eq!(ssim_rgb(&picture, &picture), Ok(1.0));
    assert_eq!(lr_psnr(&picture, &picture), Ok(f64::INFINITY));
}

#[test]
fn the_border_is_left_out() {
    let a = noise_picture(20, 20, 1);
    let mut b = a.clone();
    for y in 0..20 {
        for x in 0..20 {
            if y < 3 || x < 3 || y >= 17 || x >= 17 {
                b.rgb.as_u8_mut().unwrap()[3 * (20 * y + x)] ^= 0xff;
            }
        }
    }
    assert_eq!(psnr_rgb(&a, &b, 3), Ok(f64::INFINITY));
    assert_eq!(ssim_y(&a, &b, 3), Ok(1.0));
    assert!(psnr_rgb(&a, &b, 2).unwrap() < 40.0);
    assert!(ssim_y(&a, &b, 2).unwrap() < 1.0);
}

#[test]
fn luma_goes_from_16_to_235() {
    assert_eq!(luma([0, 0, 0]), 16.0);
    assert!((luma([255, 255, 255]) - 235.0).abs() < 1e-12);
    assert!((luma([255, 0, 0]) - 81.481).abs() < 1e-12);
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let picture = |width, height| noise_picture(width, height, 0);
    let message = |result: Result<f64, MetricError>| result.unwrap_err().to_string();
    assert_eq!(
        message(psnr_rgb(&picture(4, 5), &picture(5, 4), 0)),
        "the images are 4x5 and 5x4 pixels; only images of equal size can be compared"
    );
    assert!(message(psnr_y(&picture(8, 9), &picture(8, 9), 4)).contains("at least 9 a side"));
    assert!(message(ssim_y(&picture(18, 40), &picture(18, 40), 4)).contains("at least 19 a side"));
    assert!(message(ssim_rgb(&picture(7, 6), &picture(7, 6))).contains("at least 7 a side"));
    assert!(psnr_y(&picture(9, 9), &picture(9, 9), usize::MAX).is_err());
    for (sr, lr) in [((8, 9), (2, 2)), ((8, 8), (2, 3)), ((2, 2), (4, 4))] {
        let result = lr_psnr(&picture(sr.0, sr.1), &picture(lr.0, lr.1));
        assert!(
            message(result).contains("no whole enlargement"),
            "{sr:?} {lr:?}"
        );
    }
}
