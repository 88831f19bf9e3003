//! How large results are.

use std::fmt;

/// The largest factor.
const MOST: f64 = 64.0;

/// What `--scale` asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// So many times the image's width and height.
    Factor(f64),
    /// So many pixels; a side that is not given follows from the other.
    Size(Option<usize>, Option<usize>),
}

impl Target {
    /// Width and height of the result of an image.
    pub fn of(self, [width, height]: [usize; 2]) -> [usize; 2] {
        let scaled = |side: usize, factor: f64| ((side as f64 * factor).round() as usize).max(1);
        match self {
            Self::Factor(factor) => [width, height].map(|side| scaled(side, factor)),
            Self::Size(Some(new_width), Some(new_height)) => [new_width, new_height],
            Self::Size(Some(new_width), None) => {
                [new_width, scaled(height, new_width as f64 / width as f64)]
            }
            Self::Size(None, Some(new_height)) => {
                [scaled(width, new_height as f64 / height as f64), new_height]
            }
            Self::Size(None, None) => [width, height],
        }
    }

    /// What may have been meant, if a size in pixels is as small as a factor.
    pub fn factor_meant(self) -> Option<String> {
        let (pixels, side) = match self {
            Self::Size(Some(width), None) => (width, "wide"),
            Self::Size(None, Some(height)) => (height, "high"),
            _ => return None,
        };
        (pixels <= MOST as usize).then(|| {
            format!("{self} means {pixels} pixels {side}, and {pixels} times the size is --scale {pixels}")
        })
    }

    /// That an image is not enlarged by the same factor in both directions.
    pub fn stretches(self, own: [usize; 2]) -> Option<String> {
        let Self::Size(Some(width), Some(height)) = self else {
            return None;
        };
        let by_one = [(Some(width), None), (None, Some(height))];
        let kept = by_one.map(|(width, height)| Self::Size(width, height).of(own));
        // Rounding alone makes less.
        let is_far = |size: [usize; 2]| width.abs_diff(size[0]).max(height.abs_diff(size[1])) > 1;
        kept.into_iter().all(is_far).then(|| {
            let [kept_width, kept_height] = kept[0];
            format!(
                "{self} stretches the image, which is {}x{}; --scale {width}x makes it {kept_width}x{kept_height}",
                own[0], own[1]
            )
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |side: &Option<usize>| side.map(|side| side.to_string()).unwrap_or_default();
        match self {
            Self::Factor(factor) => factor.fmt(f),
            Self::Size(width, height) => write!(f, "{}x{}", side(width), side(height)),
        }
    }
}

/// Parses `1.5`, `800x600`, `800x` or `x600`; clap names the option.
pub fn parse(text: &str) -> Result<Target, String> {
    let wrong = || {
        format!(
            "give a factor from 1 to {MOST}, such as 2 or 1.5, or a size in pixels, such as 800x, x600 or 800x600"
        )
    };
    let Some((width, height)) = text.split_once('x') else {
        let factor = text.parse().ok().filter(|f| (1.0..=MOST).contains(f));
        return factor.map(Target::Factor).ok_or_else(wrong);
    };
    let side = |text: &str| match text {
        "" => Ok(None),
        text => {
            let side = text
                .parse()
                .ok()
                .filter(|side| (1..=1 << 24).contains(side));
            side.map(Some).ok_or_else(wrong)
        }
    };
    match (side(width)?, side(height)?) {
        (None, None) => Err(wrong()),
        (width, height) => Ok(Target::Size(width, height)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_factors_are_understood() {
        for (text, size) in [
            ("2", [60, 40]),
            ("1.5", [45, 30]),
            ("90x70", [90, 70]),
            ("90x", [90, 60]),
            ("x61", [92, 61]),
        ] {
            let target = parse(text).unwrap();
            assert_eq!(target.of([30, 20]), size, "{text}");
            assert_eq!(target.to_string(), text);
        }
        for (text, own, is_stretched) in [
            ("192x108", [32, 18], false),
            ("192x108", [24, 32], true),
            ("192x108", [32, 17], true),
            // As near as whole pixels come to 1.5 and 2 times the size.
            ("7x5", [5, 3], false),
            ("100x67", [51, 34], false),
            ("192x", [24, 32], false),
            ("2", [24, 32], false),
        ] {
            let note = parse(text).unwrap().stretches(own);
            assert_eq!(note.is_some(), is_stretched, "{text}: {note:?}");
        }
        for (text, is_told) in [
            ("4x", true),
            ("x64", true),
            ("65x", false),
            ("4x4", false),
            ("4", false),
        ] {
            let meant = parse(text).unwrap().factor_meant();
            assert_eq!(meant.is_some(), is_told, "{text}: {meant:?}");
        }
        for wrong in ["", "x", "0.5", "65", "nan", "-2", "0x5", "5x5x5", "2x1.5"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
