//! Pickles that ask for more than tensors, and files that claim to be large.

use std::io::{Cursor, Write};

use srdiff::model::convert::ConvertOptions;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::files::Folder;

/// A legacy checkpoint of this object, without storages.
fn legacy(object: &[u8]) -> Vec<u8> {
    let mut file = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
    file.extend(b"\x80\x02M\xe9\x03.");
    file.extend(b"\x80\x02}X\x0d\x00\x00\x00little_endian\x88s.");
    file.extend(object);
    file.extend(b"\x80\x02].");
    file
}

/// A zip checkpoint of this object, without storages.
fn zipped(object: &[u8], method: CompressionMethod) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    archive.start_file("archive/data.pkl", options).unwrap();
    archive.write_all(object).unwrap();
    archive.finish().unwrap().into_inner()
}

/// The error of a checkpoint of this object, the same in both forms.
#[track_caller]
fn error_of(object: &[u8]) -> String {
    let options = ConvertOptions::default();
    let legacy = Folder::new().error(&legacy(object), &options);
    let zipped = Folder::new().error(&zipped(object, CompressionMethod::Stored), &options);
    let problem = |error: &str| error.split_once("in.ckpt: ").unwrap().1.to_owned();
    assert_eq!(problem(&legacy), problem(&zipped));
    legacy
}

fn short_text(text: &str) -> Vec<u8> {
    let mut code = vec![0x8c, u8::try_from(text.len()).unwrap()];
    code.extend(text.as_bytes());
    code
}

#[test]
fn what_a_pickle_asks_for_is_named_and_not_done() {
    let folder = Folder::new();
    let marker = folder.path("marker");
    let command = short_text(&format!("touch {}", marker.display()));
    let stack_global = [
        b"\x80\x04".to_vec(),
        short_text("posix"),
        short_text("system"),
        b"\x93".to_vec(),
        command.clone(),
        b"\x85R.".to_vec(),
    ];
    let inst = [
        b"\x80\x02(".to_vec(),
        command.clone(),
        b"iposix\nsystem\n.".to_vec(),
    ];
    let global = [
        b"\x80\x02cposix\nsystem\n".to_vec(),
        command,
        b"\x85R.".to_vec(),
    ];
    for object in [&global[..], &stack_global, &inst] {
        let error = error_of(&object.concat());
        assert!(error.contains("`posix.system`"), "{error}");
        assert!(error.contains("is not run"), "{error}");
    }
    assert!(!marker.exists());
}

#[test]
fn every_name_off_the_list_is_refused() {
    for (module, name) in [
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("__builtin__", "exec"),
        ("os", "system"),
        ("subprocess", "Popen"),
        ("torch", "load"),
        ("torch", "hub.load"),
        ("torch._utils", "_rebuild_qtensor"),
        ("torch.nn.modules.conv", "Conv2d"),
        ("collections", "defaultdict"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("OrderedDict", "collections"),
        ("", ""),
    ] {
        let code = [
            b"\x80\x02c",
            module.as_bytes(),
            b"\n",
            name.as_bytes(),
            b"\n.",
        ]
        .concat();
        let error = error_of(&code);
        assert!(error.contains(&format!("`{module}.{name}`")), "{error}");
    }
}

#[test]
fn known_names_do_only_what_they_are_known_for() {
    for (code, global) in [
        // Arguments of an OrderedDict, attributes of a class, an instance.
        (
            &b"ccollections\nOrderedDict\n]\x85R."[..],
            "collections.OrderedDict",
        ),
        (b"ccollections\nOrderedDict\n}b.", "collections.OrderedDict"),
        (
            b"ccollections\nOrderedDict\n)\x81.",
            "collections.OrderedDict",
        ),
        (b"(ccollections\nOrderedDict\no.", "collections.OrderedDict"),
        (
            b"ctorch\ndevice\nX\x03\x00\x00\x00cpu\x85R}b.",
            "torch.device",
        ),
        (b"ctorch\nFloatStorage\n)R.", "torch storage"),
        (
            b"ctorch._utils\n_rebuild_tensor_v2\n)R.",
            "torch._utils._rebuild_tensor_v2",
        ),
    ] {
        let error = error_of(&[b"\x80\x02", code].concat());
        assert!(error.contains(&format!("`{global}`")), "{error}");
    }
}

#[test]
fn instructions_off_the_list_are_refused() {
    // Extension registry, persistent id as text, sets, out-of-band buffers,
    // protocol 0 numbers, and codes that are none.
    for opcode in [
        0x82, 0x83, 0x84, b'P', 0x8f, 0x90, 0x91, 0x97, 0x98, b'I', b'L', b'F', 0, 0xff,
    ] {
        let error = error_of(&[0x80, 2, opcode, b'1', b'\n', b'.']);
        assert!(
            error.contains(&format!("{opcode:#04x} at byte 2")),
            "{error}"
        );
    }
}

#[test]
fn instructions_that_do_not_fit_together_are_refused() {
    for code in [
        &b"."[..],
        b"0.",
        b"1.",
        b"2.",
        b"t.",
        b"a.",
        b"]a.",
        b"(N0.",
        b"(NN.",
        b"N]Ns.",
        b"}Ns.",
        b"}(Nu.",
        b"N(NNu.",
        b"NNa.",
        b"(N}d.",
        b"N)R.",
        b"NN\x93.",
        b"h\x00.",
        b"j\xff\xff\xff\xff.",
        b"q\x00.",
        b"\x94.",
        b"NQ.",
        b")Q.",
        b"Nb.",
        b"}}b.",
        b"N)\x81.",
        b"\x85.",
        b"N\x86.",
        b"X\x01\x00\x00\x00\xff.",
        b"\x8a\x11AAAAAAAAAAAAAAAAA.",
        b"\x80\x09N.",
    ] {
        let error = error_of(&[b"\x80\x02", code].concat());
        let known = ["malformed", "instruction", "no SRDiff model"];
        assert!(
            known.iter().any(|part| error.contains(part)),
            "{code:?}: {error}"
        );
    }
}

#[test]
fn lengths_are_held_against_the_file() {
    for code in [
        &b"X\xff\xff\xff\xff"[..],
        b"T\xff\xff\xff\x7f",
        b"B\xff\xff\xff\xff",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x8e\x00\x00\x00\x00\x00\x00\x00\x40",
        b"\x8b\xff\xff\xff\xff",
    ] {
        let error = error_of(&[b"\x80\x04", code, b"N."].concat());
        assert!(error.contains("ends early"), "{error}");
    }
}

#[test]
fn names_act_on_no_terminal_and_fill_none() {
    let name = format!("\u{1b}[2J{}", "x".repeat(10_000));
    let code = format!("\u{2}c\u{7}os\n{name}\n.");
    let error = error_of(&[b"\x80", code.as_bytes()].concat());
    assert!(error.contains("`\\u{7}os.\\u{1b}[2Jxxx"), "{error}");
    assert!(
        !error.contains(char::is_control) && error.len() < 1000,
        "{error}"
    );
}

#[test]
fn bombs_are_bounded() {
    // Lists within lists, as deep as the file is long.
    let mut deep = b"\x80\x02".to_vec();
    deep.extend(vec![b']'; 500_000]);
    deep.extend(vec![b'a'; 499_999]);
    deep.push(b'.');
    assert!(error_of(&deep).contains("no SRDiff model"));

    // Tuples that double in size, a billion times.
    let mut doubling = b"\x80\x02N".to_vec();
    doubling.extend(b"2\x86".repeat(200_000));
    doubling.push(b'.');
    assert!(error_of(&doubling).contains("no SRDiff model"));

    // A section that holds itself under every name.
    let mut cycle = b"\x80\x02}q\x00".to_vec();
    for name in ["model", "state_dict", "ema"].repeat(1000) {
        cycle.extend(short_text(name));
        cycle.extend(b"h\x00s");
    }
    cycle.push(b'.');
    assert!(error_of(&cycle).contains("no SRDiff model"));

    // Values, memo entries, marks and stack without end.
    for code in [&b"]"[..], b"]\x94", b"(", b"Nq\x002"] {
        let mut endless = b"\x80\x04".to_vec();
        endless.extend(code.repeat(3 << 20));
        endless.push(b'.');
        let error = error_of(&endless);
        assert!(error.contains("2 million instructions"), "{error}");
    }
}

/// A string of any length.
fn text(text: &str) -> Vec<u8> {
    let size = u32::try_from(text.len()).unwrap().to_le_bytes();
    [b"X", &size[..], text.as_bytes()].concat()
}

#[test]
fn long_names_are_of_no_model() {
    // The tensor of `one_tensor` under a name of `size` bytes.
    let named = |size: usize| {
        let prefix = "model.".repeat(80);
        let name = "x".repeat(size - prefix.len() - "denoise_fn.".len());
        let name = text(&format!("{prefix}denoise_fn.{name}"));
        let object = one_tensor("", 1, 0, &[1], &[1]);
        [&object[..3], &name, &object[5..]].concat()
    };
    let error = error_of(&named(512));
    assert!(error.contains("not a whole SRDiff model"), "{error}");
    let error = error_of(&named(513));
    assert!(error.contains("no SRDiff model"), "{error}");
}

#[test]
fn one_long_name_is_not_read_a_million_times() {
    // The tensor again and again under one name, from the memo. Its name read
    // each time, this would take hours.
    let name = text(&format!("{}denoise_fn.x", "model.".repeat(1 << 20)));
    let tensor = one_tensor("", 1, 0, &[1], &[1]);
    let tensor = &tensor[5..tensor.len() - 2];
    let object = [
        &b"\x80\x02}"[..],
        &name,
        b"q\x00",
        tensor,
        b"q\x01s(",
        &b"h\x00h\x01".repeat(900_000),
        b"u.",
    ]
    .concat();
    let error = error_of(&object);
    assert!(error.contains("no SRDiff model"), "{error}");
}

#[test]
fn long_keys_of_storages_are_refused() {
    let keyed = |size: usize| {
        let object = one_tensor("denoise_fn.x", 1, 0, &[1], &[1]);
        let old = short_text("0");
        let at = object.windows(3).position(|w| w == old).unwrap();
        [&object[..at], &text(&"0".repeat(size)), &object[at + 3..]].concat()
    };
    let error = error_of(&keyed(256));
    assert!(!error.contains("256 bytes"), "{error}");
    let error = error_of(&keyed(257));
    assert!(
        error.contains("more than 256 bytes in the key of a storage"),
        "{error}"
    );
}

/// `{"denoise_fn.mlp.0.weight": tensor}` over a storage of `len` elements.
fn one_tensor(name: &str, len: u8, offset: u8, shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let tuple = |items: &[u8]| {
        let mut code = vec![b'('];
        for &item in items {
            code.extend([b'K', item]);
        }
        code.push(b't');
        code
    };
    [
        b"\x80\x02}".to_vec(),
        short_text(name),
        b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
        short_text("storage"),
        b"ctorch\nDoubleStorage\n".to_vec(),
        short_text("0"),
        short_text("cpu"),
        vec![b'K', len],
        b"tQ".to_vec(),
        vec![b'K', offset],
        tuple(shape),
        tuple(strides),
        b"\x89NtRs.".to_vec(),
    ]
    .concat()
}

/// As [`one_tensor`], the `betas` of a model, in the legacy form with its storage.
fn betas(len: u8, offset: u8, shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let betas = one_tensor("betas", len, offset, shape, strides);
    let mut object = one_tensor("denoise_fn.x", len, offset, &[1], &[1]);
    // Both in one dictionary: without one's end and the other's beginning.
    object.pop();
    object.extend(&betas[3..]);
    let mut file = legacy(&object);
    file.truncate(file.len() - 4);
    file.extend(b"\x80\x02]X\x01\x00\x00\x000a.");
    file.extend(u64::from(len).to_le_bytes());
    file.extend(vec![0; 8 * usize::from(len)]);
    file
}

#[test]
fn views_stay_within_their_storage() {
    let error = |file: &[u8]| Folder::new().error(file, &ConvertOptions::default());
    for (offset, shape, strides) in [
        (8, &[1][..], &[1][..]),
        (7, &[2], &[1]),
        (0, &[9], &[1]),
        (0, &[2], &[8]),
        (1, &[2, 2], &[200, 200]),
    ] {
        let text = error(&betas(8, offset, shape, strides));
        let known = ["beyond the end", "twice"];
        assert!(known.iter().any(|part| text.contains(part)), "{text}");
    }
    // Stride 0 would make much of little.
    let text = error(&betas(8, 0, &[64, 64], &[0, 0]));
    assert!(
        text.contains("uses elements of its storage twice"),
        "{text}"
    );
    // No schedule is as long, so the storage is not even looked at.
    for shape in [&[64, 65][..], &[255; 4], &[255; 8]] {
        let text = error(&betas(8, 0, shape, &vec![0; shape.len()]));
        assert!(
            text.contains("more elements than a noise schedule has timesteps"),
            "{text}"
        );
    }
    let text = error(&betas(8, 0, &[255; 9], &[0; 9]));
    assert!(text.contains("no view of a storage"), "{text}");
    // Nothing wrong with the view itself.
    let text = error(&betas(8, 0, &[4], &[2]));
    assert!(text.contains("`betas` (4 of them)"), "{text}");
}

#[test]
fn a_storage_of_claimed_size_is_not_allocated() {
    let object = one_tensor("denoise_fn.mlp.0.weight", 255, 0, &[255], &[1]);
    // BININT1 255 becomes LONG1 of 2^62.
    let claim = b"\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x40tQ";
    let at = object.windows(4).position(|w| w == b"K\xfftQ").unwrap();
    let object = [&object[..at], claim, &object[at + 4..]].concat();
    let folder = Folder::new();
    let options = ConvertOptions::default();
    folder.error(&legacy(&object), &options);
    folder.error(&zipped(&object, CompressionMethod::Deflated), &options);
}

#[test]
fn archives_may_not_inflate_without_end() {
    let mut large = b"\x80\x02X\x00\x00\x00\x04".to_vec();
    large.extend(vec![b'x'; 64 << 20]);
    large.push(b'.');
    let error = Folder::new().error(
        &zipped(&large, CompressionMethod::Deflated),
        &ConvertOptions::default(),
    );
    assert!(error.contains("larger than it may be"), "{error}");
}

#[test]
fn archives_inflate_as_far_as_weights_do() {
    // Bytes that do not deflate, and `zeros` times as many that do.
    let object = |zeros: usize| {
        let mut state = 1u64;
        let mut random = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        };
        let mut data: Vec<u8> = (0..1 << 18).map(|_| random()).collect();
        data.resize(data.len() * (1 + zeros), 0);
        let size = u32::try_from(data.len()).unwrap().to_le_bytes();
        [b"\x80\x03B", &size[..], &data, b"."].concat()
    };
    for (zeros, said) in [(5, "no SRDiff model"), (20, "larger than it may be")] {
        let archive = zipped(&object(zeros), CompressionMethod::Deflated);
        let error = Folder::new().error(&archive, &ConvertOptions::default());
        assert!(error.contains(said), "{error}");
    }
}
