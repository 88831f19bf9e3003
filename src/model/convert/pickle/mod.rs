//! A pickle reader that runs nothing.
//!
//! A pickle is a program for a stack machine that may call any function of the
//! program that loads it. This machine gives a closed list of names (see
//! [`Global`]) a fixed meaning, calls nothing, and refuses every other name.

mod globals;
mod machine;
mod opcodes;
mod rebuild;
mod value;

pub use globals::Global;
pub use machine::load;
pub use opcodes::PROTO;
pub use value::{Pickle, Storage, Tensor, Value, ValueId};

/// Why a pickle was not read. Positions count from the start of the pickle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PickleError {
    #[error("its pickle ends early; the file is cut short, fetch it again")]
    Truncated,
    #[error(
        "its pickle asks for `{0}`, which is not run and not needed for weights; save the state dict alone with `torch.save(model.state_dict(), ...)`"
    )]
    Forbidden(String),
    /// It uses a known name as only code would.
    #[error(
        "its pickle {what} `{global}`, which no checkpoint of weights does; the file is damaged or hostile, do not use it"
    )]
    Misused {
        global: &'static str,
        what: &'static str,
    },
    #[error(
        "its pickle has the instruction {opcode:#04x} at byte {at}, which checkpoints of weights do not use; save it again with PyTorch's default pickle protocol"
    )]
    Opcode { opcode: u8, at: usize },
    #[error("its pickle has more than {0}, more than any checkpoint of weights; it is not read")]
    Limit(&'static str),
    #[error("its pickle is malformed at byte {at} ({what}); the file is damaged, fetch it again")]
    Malformed { what: &'static str, at: usize },
}
