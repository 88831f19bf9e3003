//! What the templates make of parameters, and what they refuse.

use srdiff::exec::gpu::template::{File, Parameters, expand, expand_from};

fn parameters(numbers: &[(&str, i64)], words: &[(&str, &str)]) -> Parameters {
    let mut parameters = Parameters::default();
    for (name, number) in numbers {
        parameters.number(name, *number);
    }
    for (name, word) in words {
        parameters.word(name, word);
    }
    parameters
}

/// Those of `pointwise` without an epilogue.
fn plain(scalar: &str) -> Parameters {
    parameters(
        &[("ACTIVATION", 0), ("TABLE", 0), ("RESIDUALS", 0)],
        &[("x_scalar", scalar), ("y_scalar", scalar)],
    )
}

fn refusal(shader: &str, parameters: &Parameters) -> String {
    let expanded = expand(shader, parameters);
    expanded.expect_err("wrong parameters").to_string()
}

/// The only line of a shader's file that contains this, as an error names it.
fn line_of(file: &str, part: &str) -> String {
    let path = format!("{}/shaders/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("a shader");
    let lines: Vec<usize> = (1..)
        .zip(text.lines())
        .filter_map(|(number, line)| line.contains(part).then_some(number))
        .collect();
    assert_eq!(lines.len(), 1, "lines of {file} with {part}");
    format!("{file}:{}", lines[0])
}

#[test]
fn every_line_knows_its_origin() {
    let mut parameters = plain("f16");
    parameters.number("RESIDUALS", 2);
    parameters.word("residual_0_scalar", "f16");
    parameters.word("residual_1_scalar", "f32");
    let expanded = expand("pointwise", &parameters).expect("valid parameters");
    assert_eq!(expanded.origin(0), None);
    assert!(expanded.text.starts_with("enable f16;\n"));
    assert_eq!(expanded.origin(1), None);
    let lines: Vec<&str> = expanded.text.lines().collect();
    assert_eq!(expanded.origin(lines.len() + 1), None);
    for (line, file, source) in [
        (
            "    residual_0_batch: u32,",
            "include/epilogue_dims.wgsl",
            "}_batch: u32,",
        ),
        (
            "    residual_1_batch: u32,",
            "include/epilogue_dims.wgsl",
            "}_batch: u32,",
        ),
        ("alias x_t = vec4<f16>;", "pointwise.wgsl", "alias x_t"),
        (
            "alias residual_1_t = vec4<f32>;",
            "include/epilogue.wgsl",
            "alias residual_1_t",
        ),
        (
            "    let n = id.z / dims.blocks;",
            "pointwise.wgsl",
            "let n =",
        ),
    ] {
        let at = lines.iter().position(|found| *found == line);
        let at = at.unwrap_or_else(|| panic!("no line {line} in\n{}", expanded.text));
        let (found, number) = expanded.origin(at + 1).expect("a line of a file");
        assert_eq!(format!("{found}:{number}"), line_of(file, source), "{line}");
    }
}

#[test]
fn only_a_half_enables_f16() {
    let text = |scalar| {
        expand("pointwise", &plain(scalar))
            .expect("valid parameters")
            .text
    };
    assert!(text("f16").starts_with("enable f16;\n"));
    assert!(!text("f32").contains("enable"));
}

#[test]
fn missing_parameters_are_named_where_they_are_needed() {
    let none = Parameters::default();
    let words = parameters(&[], &[("x_scalar", "f32"), ("y_scalar", "f32")]);
    let mut table = plain("f32");
    table.number("TABLE", 1);
    for (shader, parameters, name, file, part) in [
        ("linear", &none, "x_scalar", "linear.wgsl", "alias x_t"),
        // Looked up by `if`, as truth and in a comparison.
        (
            "sampler_update",
            &none,
            "REPLAYED",
            "sampler_update.wgsl",
            "if not REPLAYED",
        ),
        (
            "convert",
            &words,
            "X_LAYOUT",
            "convert.wgsl",
            "X_LAYOUT == 0",
        ),
        (
            "pointwise",
            &table,
            "table_scalar",
            "include/epilogue.wgsl",
            "alias table_t",
        ),
    ] {
        let expected = format!("{}: the parameter {name} is not given", line_of(file, part));
        assert_eq!(refusal(shader, parameters), expected);
    }
}

#[test]
fn parameters_that_the_specialisation_does_not_use_are_refused() {
    // The file names table_scalar, but reads it with TABLE only.
    for name in ["table_scalar", "residual_0_scalar", "x_scalars"] {
        let mut parameters = plain("f32");
        parameters.word(name, "f32");
        let expected = format!(
            "pointwise.wgsl: this specialisation does not use the parameter {name}: check its spelling"
        );
        assert_eq!(refusal("pointwise", &parameters), expected);
    }
}

#[test]
fn unknown_shaders_are_refused() {
    assert_eq!(
        refusal("conv3d", &plain("f32")),
        "there is no shader \"conv3d\""
    );
}

static WRONG: &[File] = &[
    ("open.wgsl", "x\n//: if 1\ny"),
    ("closed.wgsl", "x\n//: endif"),
    ("crossed.wgsl", "\n//: for i in range(2)\n//: endif"),
    ("unknown.wgsl", "//: unroll 3"),
    ("value.wgsl", "\n\n${1 *}"),
    ("variable.wgsl", "\n${1"),
    ("sum.wgsl", "\n${1 - \"f16\"}"),
    ("member.wgsl", "\n${\"f16\".size}"),
    ("absent.wgsl", "\n//: include \"include/absent.wgsl\""),
    ("outer.wgsl", "//: include \"include/middle.wgsl\""),
    (
        "include/middle.wgsl",
        "\n//: include \"include/inner.wgsl\"",
    ),
    ("include/inner.wgsl", "\n\n${\"f16\" - 2}"),
];

#[test]
fn mistakes_in_a_template_name_file_and_line() {
    for (shader, place) in [
        ("open", "open.wgsl:3: "),
        ("closed", "closed.wgsl:2: "),
        ("crossed", "crossed.wgsl:3: "),
        ("unknown", "unknown.wgsl:1: "),
        ("value", "value.wgsl:3: "),
        ("variable", "variable.wgsl:2: "),
        ("sum", "sum.wgsl:2: "),
        ("member", "member.wgsl:2: "),
        ("absent", "absent.wgsl:2: "),
        ("outer", "include/inner.wgsl:3: "),
    ] {
        let error = expand_from(WRONG, shader, &Parameters::default())
            .expect_err("a wrong template")
            .to_string();
        let problem = error.strip_prefix(place);
        assert!(
            problem.is_some_and(|problem| !problem.is_empty()),
            "{shader}: {error}"
        );
    }
}

#[test]
fn parameters_are_written_in_order_and_read_back() {
    let parameters = parameters(&[("ROWS", 4), ("BLOCKS", 2)], &[("x_scalar", "f16")]);
    assert_eq!(parameters.to_string(), "BLOCKS=2 ROWS=4 x_scalar=f16");
    let json = serde_json::to_string(&parameters).expect("JSON");
    assert_eq!(json, r#"{"BLOCKS":2,"ROWS":4,"x_scalar":"f16"}"#);
    let back: Parameters = serde_json::from_str(&json).expect("as written");
    assert_eq!(back, parameters);
}
