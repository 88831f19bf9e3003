//! Settings that are missing, wrong, or not those of the tensors.

use super::tiny::{LABEL, Tiny, all_options, settings};
use serde_json::{Value, json};
use srdiff::model::{ModelProblem, Settings, SettingsError};

fn problem(tiny: &Tiny) -> SettingsError {
    let error = tiny.problem();
    let message = error.to_string();
    assert!(message.starts_with(&format!("{LABEL}: ")), "{message}");
    match error.problem {
        ModelProblem::Settings(problem) => problem,
        other => panic!("{other}"),
    }
}

fn with(key: &str, value: Value) -> Tiny {
    let mut tiny = Tiny::new(&settings());
    tiny.set(key, value);
    tiny
}

#[test]
fn settings_come_back_from_a_file_as_they_were() {
    for settings in [settings(), all_options()] {
        let model = Tiny::new(&settings).open().expect("a whole model");
        assert_eq!(*model.settings(), settings);
    }
}

#[test]
fn sizes_need_no_config() {
    let mut tiny = Tiny::new(&all_options());
    for key in [
        "hidden_size",
        "unet_dim_mults",
        "rrdb_num_feat",
        "rrdb_num_block",
        "sr_scale",
        "use_attn",
        "up_input",
        "lr_up_divisor",
        "clip_input",
        "clip_denoised",
    ] {
        tiny.set(key, Value::Null);
    }
    tiny.set("some_other_key", json!("is ignored"));
    assert_eq!(
        *tiny.open().expect("read from tensors").settings(),
        all_options()
    );
}

#[test]
fn a_model_without_sr_head() {
    let headless = Settings {
        has_sr_head: false,
        ..settings()
    };
    let model = Tiny::new(&headless).open().expect("a whole model");
    assert!(!model.settings().has_sr_head);
    let mut half = Tiny::new(&settings());
    half.remove("rrdb.HRconv.weight");
    let message = half.problem().to_string();
    assert!(
        message.contains("`rrdb.HRconv.weight` is missing"),
        "{message}"
    );
}

#[test]
fn a_config_that_is_not_there_or_no_config() {
    let mut tiny = Tiny::new(&settings());
    tiny.config = None;
    assert_eq!(problem(&tiny), SettingsError::MissingConfig);
    for config in [json!([]), json!("text"), json!({"hidden_size": "many"})] {
        tiny.config = Some(config);
        let problem = problem(&tiny);
        assert!(matches!(problem, SettingsError::Config(_)), "{problem}");
        assert!(problem.to_string().contains("`config` is not valid"));
    }
}

#[test]
fn keys_that_tensors_cannot_tell() {
    for key in ["timesteps", "beta_schedule", "res_rescale"] {
        let problem = problem(&with(key, Value::Null));
        assert_eq!(problem, SettingsError::MissingKey(key));
        assert!(problem.to_string().contains(key), "{problem}");
    }
}

#[test]
fn values_out_of_range() {
    for (key, value, allowed) in [
        ("beta_schedule", json!("quadratic"), "`cosine` or `linear`"),
        ("res", json!(false), "true (a model of residuals)"),
        ("res_rescale", json!(0.0), "from 0.001 to 1000000"),
        ("res_rescale", json!(-2.0), "from 0.001 to 1000000"),
        ("res_rescale", json!(1e39), "from 0.001 to 1000000"),
        ("res_rescale", json!(1e-46), "from 0.001 to 1000000"),
        ("lr_up_divisor", json!(0), "from 0.001 to 1000000"),
        ("lr_up_divisor", json!(1e39), "from 0.001 to 1000000"),
    ] {
        let problem = problem(&with(key, value.clone()));
        assert!(matches!(problem, SettingsError::Value { key: k, .. } if k == key));
        let message = problem.to_string();
        assert!(message.contains(&format!("`{key}`")), "{message}");
        assert!(message.contains(allowed), "{message}");
    }
    for heads in [0, 3] {
        let mut tiny = Tiny::new(&all_options());
        tiny.set("attn_heads", json!(heads));
        let message = problem(&tiny).to_string();
        assert!(message.contains("`attn_heads`"), "{message}");
    }
}

/// What opens can be run: no kernel takes such heads.
#[test]
fn heads_that_attention_cannot_be_computed_with() {
    let mut tiny = Tiny::new(&all_options());
    let attention = all_options().attention.unwrap();
    let inner = attention.heads * attention.head_dim;
    tiny.set("attn_heads", json!(inner / 2));
    let message = problem(&tiny).to_string();
    assert!(message.contains("heads of 2 channels"), "{message}");
    assert!(message.contains("multiple of 4"), "{message}");
}

#[test]
fn schedules_out_of_range() {
    for (key, value) in [("timesteps", json!(0)), ("timesteps", json!(5000))] {
        let problem = problem(&with(key, value));
        assert!(matches!(problem, SettingsError::Schedule(_)), "{problem}");
        assert!(problem.to_string().contains("timesteps"), "{problem}");
    }
    let mut tiny = with("beta_schedule", json!("linear"));
    tiny.set("beta_start", json!(2.0));
    let problem = problem(&tiny);
    assert!(matches!(problem, SettingsError::Schedule(_)), "{problem}");
    assert!(problem.to_string().contains("timestep 0"), "{problem}");
}

#[test]
fn settings_of_another_model() {
    for (key, value, tensor) in [
        ("hidden_size", json!(8), "denoise_fn.mlp.0.weight"),
        (
            "unet_dim_mults",
            json!([1, 2, 4]),
            "denoise_fn.downs.0.0.block1",
        ),
        ("rrdb_num_feat", json!(5), "rrdb.conv_first.weight"),
        (
            "rrdb_num_block",
            json!(3),
            "rrdb.RRDB_trunk.1.RDB1.conv1.weight",
        ),
        ("sr_scale", json!(4), "denoise_fn.cond_proj.weight"),
        (
            "gn_groups",
            json!(2),
            "denoise_fn.downs.0.0.block1.block.2.weight",
        ),
        (
            "use_attn",
            json!(true),
            "denoise_fn.mid_attn.fn.fn.to_out.weight",
        ),
        ("up_input", json!(true), "denoise_fn.up_proj.1.weight"),
    ] {
        let problem = problem(&with(key, value));
        assert!(
            matches!(problem, SettingsError::Disagree { key: k, .. } if k == key),
            "{problem}"
        );
        let message = problem.to_string();
        assert!(message.contains(&format!("`{key}`")), "{message}");
        assert!(message.contains(&format!("`{tensor}")), "{message}");
    }
}

#[test]
fn tensors_that_sizes_are_read_from() {
    for name in [
        "denoise_fn.mlp.0.weight",
        "denoise_fn.downs.0.0.block1.block.1.weight",
        "denoise_fn.cond_proj.weight",
        "rrdb.conv_first.weight",
        "rrdb.RRDB_trunk.0.RDB1.conv1.weight",
    ] {
        let mut tiny = Tiny::new(&settings());
        tiny.remove(name);
        assert_eq!(
            problem(&tiny),
            SettingsError::MissingTensor(name.to_owned())
        );
        let mut tiny = Tiny::new(&settings());
        tiny.reshape(name, &[7]);
        let problem = problem(&tiny);
        assert!(matches!(&problem, SettingsError::Shape { name: n, .. } if n == name));
        let message = problem.to_string();
        assert!(
            message.contains(name) && message.contains("[7]"),
            "{message}"
        );
    }
}

#[test]
fn shapes_that_no_model_has() {
    let says = |name: &str, shape: &[usize], part: &str| {
        let mut tiny = Tiny::new(&settings());
        tiny.reshape(name, shape);
        let message = problem(&tiny).to_string();
        assert!(message.contains(part), "{name} {shape:?}: {message}");
    };
    says("denoise_fn.mlp.0.weight", &[20, 5], "even and at least 4");
    says("denoise_fn.mlp.0.weight", &[8, 2], "even and at least 4");
    says("denoise_fn.mlp.0.weight", &[16, 0], "1 to 65536");
    says("denoise_fn.cond_proj.weight", &[4, 4, 6, 6], "power of two");
    says("denoise_fn.cond_proj.weight", &[4, 4, 2, 2], "power of two");
    says("denoise_fn.cond_proj.weight", &[4, 4, 5, 5], "power of two");
    let level = |level: usize| format!("denoise_fn.downs.{level}.0.block1.block.1.weight");
    says(&level(1), &[6, 4, 3, 3], "a multiple of the U-Net's base");

    let mut tiny = Tiny::new(&settings());
    tiny.set("unet_dim_mults", Value::Null);
    tiny.reshape(&level(0), &[8, 3, 3, 3]);
    let message = problem(&tiny).to_string();
    assert!(message.contains("a list that starts with 1"), "{message}");

    let mut tiny = Tiny::new(&settings());
    for deep in 2..9 {
        tiny.put(&level(deep), &[4, 1, 1, 1], &[0.0; 4]);
    }
    let message = problem(&tiny).to_string();
    assert!(message.contains("8 levels at most"), "{message}");

    let mut tiny = Tiny::new(&settings());
    tiny.set("rrdb_num_block", Value::Null);
    for block in 2..1001 {
        let name = format!("rrdb.RRDB_trunk.{block}.RDB1.conv1.weight");
        tiny.put(&name, &[1], &[0.0]);
    }
    let message = problem(&tiny).to_string();
    assert!(message.contains("`rrdb_num_block` is 1001"), "{message}");

    let mut tiny = Tiny::new(&settings());
    tiny.set("rrdb_num_block", Value::Null);
    tiny.remove("rrdb.RRDB_trunk.1.RDB1.conv1.weight");
    let message = problem(&tiny).to_string();
    assert!(message.contains("`rrdb_num_block` is 1"), "{message}");
}

#[test]
fn groups_that_are_missing_or_do_not_divide() {
    let norm = "denoise_fn.downs.0.0.block1.block.2.weight";
    for groups in [Value::Null, json!(0)] {
        let mut tiny = Tiny::new(&all_options());
        tiny.set("gn_groups", groups);
        let problem = problem(&tiny);
        assert_eq!(problem, SettingsError::GroupsMissing(norm.to_owned()));
        assert!(problem.to_string().contains("gn_groups"), "{problem}");
    }
    let mut tiny = Tiny::new(&all_options());
    tiny.set("gn_groups", json!(3));
    let problem = problem(&tiny);
    let expected = SettingsError::GroupsDivide {
        groups: 3,
        channels: 4,
        tensor: norm.to_owned(),
    };
    assert_eq!(problem, expected);
    let message = problem.to_string();
    assert!(
        message.contains(norm) && message.contains("is 3"),
        "{message}"
    );
}
