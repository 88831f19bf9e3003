//! The examples that `--help` of each command ends with. Where exit codes are
//! listed, they follow: clap has one place for both.

use super::failure::exit_codes;

/// Of `srdiff --help`.
pub const ALL: &str = concat!(
    "\
Examples:
  srdiff photo.jpg                  write photo_x4.png beside it
  srdiff -r photos -o large         all images of a folder and its subfolders
  srdiff upscale --help             all options of upscaling

",
    exit_codes!()
);

pub const UPSCALE: &str = concat!(
    "\
Examples:
  srdiff upscale photo.jpg -o large.webp
  srdiff upscale *.png -o large/ -f jpg --quality 90
  srdiff upscale -r photos -o large --name '{stem}.{ext}'
  srdiff upscale -r photos -o large --shard 1/4 --json > results.1.jsonl
  find . -name '*.tif' -print0 | srdiff upscale --from-file - -o large
  curl -s https://example.org/small.png | srdiff upscale - > large.png

",
    exit_codes!()
);

pub const COMPLETIONS: &str = "\
Examples:
  srdiff completions bash > ~/.local/share/bash-completion/completions/srdiff
  srdiff completions zsh > ~/.zfunc/_srdiff
  srdiff completions fish > ~/.config/fish/completions/srdiff.fish
  srdiff completions powershell | Out-String | Invoke-Expression    (in $PROFILE)";

pub const BLEND: &str = concat!(
    "\
Examples:
  srdiff blend collage.png --mask mask.png
  srdiff blend collage.png --amount 0.8 --seed 3 -o blended.png

",
    exit_codes!()
);

pub const DEVICES: &str = "\
Examples:
  srdiff devices
  srdiff devices --json";

pub const EVALUATE: &str = "\
Examples:
  srdiff evaluate Set5
  srdiff evaluate --hr photos --samplers ddpm,ddim --steps 1,5,20 --csv table.csv
  srdiff evaluate --hr Set5/HR --lr Set5/LR_x4 --grid grid.png";

pub const TRAIN: &str = concat!(
    "\
Examples:
  srdiff train photos -o mine.safetensors --minutes 60 --validate held
  srdiff train photos -o mine.safetensors --minutes 60 --validate held --resume

",
    exit_codes!()
);

#[cfg(feature = "gpu")]
pub const TUNE: &str = "\
Examples:
  srdiff tune
  srdiff tune --device 1";

pub const CONVERT: &str = "\
Examples:
  srdiff convert model_ckpt_steps_400000.ckpt celeba-x8.safetensors
  srdiff convert model.safetensors smaller.safetensors --float-type f16";

pub const INFO: &str = "\
Examples:
  srdiff info
  srdiff info mine.safetensors";

pub const PLAN: &str = "\
Examples:
  srdiff plan 640x480
  srdiff plan 24x16 --json > program.json";

pub const MAN: &str = "\
Examples:
  srdiff man | man -l -
  srdiff man ~/.local/share/man/man1";
