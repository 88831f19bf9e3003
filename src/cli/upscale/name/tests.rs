//! Names, and what they tell.

use super::*;

fn name(template: &str, input: &str) -> String {
    let common = Common {
        extension: "jpg",
        scale: "4".to_owned(),
        sampler: "ddim:0.5".to_owned(),
        steps: 5,
        seed: 7,
    };
    let template: Template = template.parse().unwrap();
    let name = template.name(Path::new(input), &common, [9, 120], [7, 31], "04");
    name.to_str().unwrap().to_owned()
}

#[test]
fn fields_are_filled_in() {
    assert_eq!(name("{stem}_x{scale}.{ext}", "a/b.c.tif"), "b.c_x4.jpg");
    assert_eq!(
        name("{folder}/{stem}.{from}.{ext}", "a/b.tif"),
        "a/b.tif.jpg"
    );
    let all = "{index}-{sampler}-{steps}-{seed}.{ext}";
    assert_eq!(name(all, "a.png"), "009-ddim-0.5-5-7.jpg");
    assert_eq!(name("{stem}{sample}.{ext}", "a.png"), "a04.jpg");
    assert_eq!(name("{stem}-{frame}.{ext}", "a.gif"), "a-07.jpg");
    assert_eq!(name("same.png", "a.png"), "same.png");
    assert_ne!(name("{folder}.png", "a.png"), ".png");
}

#[test]
fn names_of_earlier_results_are_known() {
    let stems = |template: &str, name: &str| {
        let template: Template = template.parse().unwrap();
        let origins = template.origins(name);
        let stems: Vec<&str> = origins.iter().map(Origin::stem).collect();
        stems.join(" ")
    };
    assert_eq!(stems("{stem}_{index}.{ext}", "a_1_07.png"), "a_1");
    assert_eq!(stems("{index}-{stem}.{ext}", "07-a.jpg"), "a");
    assert_eq!(stems("{stem}_{seed}{stem}.png", "a_5a.png"), "a");
    let all = "{stem}-{sampler}-{steps}-{scale}.{ext}";
    assert_eq!(stems(all, "a-ddim-0.5-5-80x.tif"), "a");
    assert!(Template(Vec::new()).origins("a").is_empty());
    for other in ["a.png", "a_b.png", "a_.png", "a_1.gif", "a_1.png.bak"] {
        assert_eq!(stems("{stem}_{index}.{ext}", other), "", "{other}");
    }
    let numbered: Template = "{index}.{ext}".parse().unwrap();
    assert_eq!(numbered.origins("12.png"), [Origin::default()]);
    assert!(numbered.origins("1a.png").is_empty());

    for name in [
        "a_b_x4.png",
        "a_b_x1.5.tif",
        "a_b_80x60.jpg",
        "a_b_80x.webp",
        "a_b_x60.png",
        "a_b_x4_12.png",
        "a_b_x4_12_3.png",
        "a_b_x4_2_sigma.png",
    ] {
        assert_eq!(usual_stems(name), ["a_b"], "{name}");
    }
    for other in [
        "a.png",
        "a_4.png",
        "a_x.png",
        "a_x4.gif",
        "a_x4",
        "_x4.png",
        "a_x4_.png",
    ] {
        assert!(usual_stems(other).is_empty(), "{other}");
    }
}

#[test]
fn names_tell_extensions_and_folders() {
    let fits = |template: &str, name: &str, image: &str| {
        let template: Template = template.parse().unwrap();
        let origins = template.origins(name);
        origins.iter().any(|origin| origin.fits(image.as_ref()))
    };
    assert!(fits("{stem}-{from}.{ext}", "a-tif.png", "x/a.tif"));
    assert!(!fits("{stem}-{from}.{ext}", "a-2.png", "x/a.tif"));
    assert!(fits("{folder}_{stem}.{ext}", "x_a.png", "x/a.tif"));
    assert!(!fits("{folder}_{stem}.{ext}", "y_a.png", "x/a.tif"));
}

#[test]
fn numbers_alone_tell_no_result() {
    let is_telling = |text: &str| text.parse::<Template>().unwrap().is_telling();
    for name in [
        "{stem}_x{scale}.{ext}",
        "{stem}-{scale}x.png",
        "{stem}_{sampler}.png",
    ] {
        assert!(is_telling(name), "{name}");
    }
    for name in [
        "{stem}_{index}.{ext}",
        "{stem}_{scale}.png",
        "{folder}_{stem}.png",
    ] {
        assert!(!is_telling(name), "{name}");
    }
}

#[test]
fn what_is_no_name_is_refused() {
    let refused = |text: &str| text.parse::<Template>().unwrap_err();
    assert!(refused("{stem}_{size}.png").contains("no {size}"));
    assert!(refused("{stem").contains("no }"));
    for text in ["", "a/", "/a.png", "../a.png", "a/../b.png", "./a.png"] {
        assert!(text.parse::<Template>().is_err(), "{text}");
    }
}
