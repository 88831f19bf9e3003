//! Event files, read by the format's own rules.

use srdiff::train::events::Events;
use std::fs;
use tempfile::TempDir;

/// CRC-32C bit by bit, masked as in TFRecord files.
fn masked_crc(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 * (crc & 1));
        }
    }
    let crc = !crc;
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

fn records(mut bytes: &[u8]) -> Vec<&[u8]> {
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes[..4].try_into().unwrap());
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        assert_eq!(number(&bytes[8..]), masked_crc(&bytes[..8]));
        let record = &bytes[12..12 + length];
        assert_eq!(number(&bytes[12 + length..]), masked_crc(record));
        records.push(record);
        bytes = &bytes[16 + length..];
    }
    records
}

#[derive(Debug, PartialEq)]
enum Field<'a> {
    Number(u64),
    Double(f64),
    Float(f32),
    Bytes(&'a [u8]),
}

/// The fields of a message with their numbers.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut number = 0;
        for shift in (0..).step_by(7) {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        number
    }
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let mut take = |count: usize| {
            let (taken, rest) = bytes.split_at(count);
            bytes = rest;
            taken
        };
        let field = match key & 7 {
            1 => Field::Double(f64::from_le_bytes(take(8).try_into().unwrap())),
            5 => Field::Float(f32::from_le_bytes(take(4).try_into().unwrap())),
            0 => Field::Number(varint(&mut bytes)),
            2 => {
                let length = varint(&mut bytes) as usize;
                let (taken, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(taken)
            }
            kind => panic!("a field of kind {kind}"),
        };
        fields.push((key >> 3, field));
    }
    fields
}

fn bytes<'a>(fields: &[(u64, Field<'a>)], wanted: u64) -> Vec<&'a [u8]> {
    let of = |(number, field): &(u64, Field<'a>)| match field {
        Field::Bytes(bytes) if *number == wanted => Some(*bytes),
        _ => None,
    };
    fields.iter().filter_map(of).collect()
}

#[test]
fn event_files_hold_what_was_added() {
    let folder = TempDir::new().unwrap();
    let mut events = Events::create(&folder.path().join("new/run")).unwrap();
    let values = [("loss/denoiser", 0.125), ("learning rate", 2e-4)];
    events.scalars(300, &values).unwrap();
    events.image(1 << 40, "shown", [200, 3], b"a file").unwrap();
    assert!(events.path().display().to_string().contains("tfevents"));
    let file = fs::read(events.path()).unwrap();
    let records: Vec<_> = records(&file).into_iter().map(fields).collect();
    assert_eq!(records.len(), 3);
    for record in &records {
        let Field::Double(time) = record[0].1 else {
            panic!("{record:?}");
        };
        assert!(record[0].0 == 1 && time > 1.7e9);
    }
    assert_eq!(bytes(&records[0], 3), [b"brain.Event:2"]);

    assert_eq!(records[1][1], (2, Field::Number(300)));
    let summary = fields(bytes(&records[1], 5)[0]);
    let scalars = bytes(&summary, 1);
    assert_eq!(scalars.len(), 2);
    for (scalar, (name, value)) in scalars.into_iter().zip(values) {
        let expected = [
            (1, Field::Bytes(name.as_bytes())),
            (2, Field::Float(value as f32)),
        ];
        assert_eq!(fields(scalar), expected);
    }

    assert_eq!(records[2][1], (2, Field::Number(1 << 40)));
    let summary = fields(bytes(&records[2], 5)[0]);
    let image = fields(bytes(&summary, 1)[0]);
    assert_eq!(bytes(&image, 1), [b"shown"]);
    let expected = [
        (1, Field::Number(3)),
        (2, Field::Number(200)),
        (3, Field::Number(3)),
        (4, Field::Bytes(b"a file")),
    ];
    assert_eq!(fields(bytes(&image, 4)[0]), expected);
}
