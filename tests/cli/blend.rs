//! `srdiff blend`.

use super::folder::{FAST, Folder};

#[test]
fn content_is_blended_in() {
    let folder = Folder::new();
    folder.draw("pasted.png", 22, 17);
    folder.draw("mask.png", 22, 17);
    let blend = |args: &[&str]| folder.run(&[&["blend", "pasted.png"], &FAST[..], args].concat());
    let run = blend(&["--seed", "4"]);
    assert_eq!(
        (run.code, &*run.stdout),
        (0, "pasted_blend.png: 22x17, --seed 4\n"),
        "{run:?}"
    );
    let result = folder.load("pasted_blend.png");
    assert_eq!((result.width(), result.height()), (22, 17));
    assert_eq!(blend(&["--mask", "mask.png", "-o", "b.jpg", "-q"]).code, 0);

    let refused = |args: &[&str], code, parts: &[&str]| {
        folder.refuses(
            &[&["blend", "pasted.png"], &FAST[..], args].concat(),
            code,
            parts,
        );
    };
    refused(&[], 4, &["pasted_blend.png: exists already", "--force"]);
    refused(&["-o", "c.png", "--amount", "2"], 2, &["--amount 2: "]);
    refused(&["-o", "c.png", "--mask", "none.png"], 3, &["none.png"]);
    let other = ["-o", "c.png", "--mask", "in.png"];
    refused(&other, 2, &["the mask is 6x4 and the image 22x17"]);
    let itself = ["-o", "pasted.png", "--force"];
    refused(&itself, 4, &["pasted.png: is an input", "-o"]);
    let mask = ["-o", "./mask.png", "--mask", "mask.png", "--force"];
    refused(&mask, 4, &["mask.png: is an input"]);
}
