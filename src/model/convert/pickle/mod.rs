//! Reading pickles without doing what they ask.
//!
//! A pickle is a program for a stack machine that may call any function of the
//! program that loads it. This machine knows a closed list of names (see
//! [`Global`]), each with a meaning of its own here, and calls nothing; at any
//! other name it stops with an error that says which it was.

mod globals;
mod machine;
mod opcodes;
mod rebuild;
mod value;

pub use crate::model::printable;
pub use globals::Global;
pub use machine::load;
pub use opcodes::PROTO;
pub use value::{Pickle, Storage, Tensor, Value, ValueId};

/// Why a pickle was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PickleError {
    /// It ends in the middle.
    #[error("its pickle ends early; the file is cut short, fetch it again")]
    Truncated,
    /// It names a function or class that no checkpoint of weights needs.
    #[error(
        "its pickle asks for `{0}`, which is not run and not needed for weights; save the state dict alone with `torch.save(model.state_dict(), ...)`"
    )]
    Forbidden(String),
    /// It uses a known name as only code would.
    #[error(
        "its pickle {what} `{global}`, which no checkpoint of weights does; the file is damaged or hostile, do not use it"
    )]
    Misused {
        /// The name.
        global: String,
        /// What the pickle does to it.
        what: &'static str,
    },
    /// An instruction that checkpoints do not use.
    #[error(
        "its pickle has the instruction {opcode:#04x} at byte {at}, which checkpoints of weights do not use; save it again with PyTorch's default pickle protocol"
    )]
    Opcode {
        /// The instruction.
        opcode: u8,
        /// Where it stands, from the start of this pickle.
        at: usize,
    },
    /// Larger than any checkpoint's.
    #[error("its pickle has more than {0}, more than any checkpoint of weights; it is not read")]
    Limit(&'static str),
    /// Instructions that do not fit together.
    #[error("its pickle is malformed at byte {at} ({what}); the file is damaged, fetch it again")]
    Malformed {
        /// What is wrong.
        what: &'static str,
        /// Where, from the start of this pickle.
        at: usize,
    },
}
