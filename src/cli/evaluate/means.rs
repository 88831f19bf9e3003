//! Means over the pictures of a data set.

use super::measures::Measures;
use super::report::Image;

type Psnr = fn(&Measures) -> f64;

/// Measures that are infinite where nothing differs.
const PSNRS: [(&str, Psnr); 3] = [
    ("PSNR-Y", |m| m.psnr_y),
    ("PSNR-RGB", |m| m.psnr_rgb),
    ("LR-PSNR", |m| m.lr_psnr),
];

/// Which pictures count for the mean of each PSNR. One that is infinite in a row of the
/// table counts in none of them: all rows are to be of the same pictures.
pub struct Counted([Vec<bool>; 3]);

impl Counted {
    /// Of all rows, which are of the same pictures.
    pub fn of(rows: &[Vec<Image>]) -> Self {
        let pictures = rows.first().map_or(0, Vec::len);
        Self(PSNRS.map(|(_, psnr)| {
            let is_finite = |at: usize| rows.iter().all(|row| psnr(&row[at].measures).is_finite());
            let finite: Vec<bool> = (0..pictures).map(is_finite).collect();
            match finite.contains(&true) {
                true => finite,
                // A mean of nothing says less than an infinite one.
                false => vec![true; pictures],
            }
        }))
    }

    /// The means of a row.
    pub fn means(&self, row: &[Image]) -> Measures {
        let all: Vec<&Measures> = row.iter().map(|image| &image.measures).collect();
        let [psnr_y, psnr_rgb, lr_psnr] = std::array::from_fn(|at| {
            let (_, psnr) = PSNRS[at];
            let counted = all.iter().zip(&self.0[at]).filter(|(_, counts)| **counts);
            let values: Vec<f64> = counted.map(|(measures, _)| psnr(measures)).collect();
            values.iter().sum::<f64>() / values.len() as f64
        });
        Measures {
            psnr_y,
            psnr_rgb,
            lr_psnr,
            ..Measures::mean(all.iter().copied())
        }
    }

    /// How many pictures are left out, by measure.
    pub fn left_out(&self) -> Vec<(&'static str, usize)> {
        let count = |counts: &Vec<bool>| counts.iter().filter(|counts| !**counts).count();
        let names = PSNRS.iter().map(|(name, _)| *name);
        let left_out = names.zip(self.0.iter().map(count));
        left_out.filter(|(_, count)| *count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(psnrs: [f64; 3]) -> Vec<Image> {
        let image = |psnr_y| Image {
            image: "a.png".to_owned(),
            measures: Measures {
                psnr_y,
                psnr_rgb: 20.0,
                lr_psnr: f64::INFINITY,
                ..Measures::default()
            },
        };
        psnrs.map(image).into()
    }

    #[test]
    fn rows_are_means_over_the_same_pictures() {
        let rows = [
            row([10.0, f64::INFINITY, 30.0]),
            row([12.0, 70.0, f64::INFINITY]),
        ];
        let counted = Counted::of(&rows);
        assert_eq!(counted.left_out(), [("PSNR-Y", 2)]);
        let [first, second] = [&rows[0], &rows[1]].map(|row| counted.means(row));
        assert_eq!((first.psnr_y, second.psnr_y), (10.0, 12.0));
        assert_eq!((first.psnr_rgb, first.lr_psnr), (20.0, f64::INFINITY));
    }
}
