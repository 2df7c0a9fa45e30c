//! Programs of classic BPF: instructions, jumps to labels, and the layout that makes numbers of them (linux/filter.h).

use crate::model::Fault;

/// The most instructions of a program that the kernel takes, BPF_MAXINSNS.
pub const MOST: usize = 4096;

/// One instruction, as the kernel has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ins {
    /// What is done.
    pub code: u16,
    /// How many instructions are left out where the condition holds.
    pub jt: u8,
    /// How many where it does not.
    pub jf: u8,
    /// The number that it is done with.
    pub k: u32,
}

impl Ins {
    const fn plain(code: u16, k: u32) -> Self {
        Self { code, jt: 0, jf: 0, k }
    }
}

/// `ja`: leaves out `k` instructions.
const JA: u16 = 0x05;
/// `ret #k`.
const RET: u16 = 0x06;

/// What stands in the accumulator is the number.
pub(super) const JEQ: u16 = 0x15;
/// It is greater.
pub(super) const JGT: u16 = 0x25;
/// It is greater, or is the number.
pub(super) const JGE: u16 = 0x35;
/// They have a bit in common.
pub(super) const JSET: u16 = 0x45;

/// Gives a program that lets nothing through: it is attached first, so that nothing is received before the right one is.
pub fn drop_all() -> Vec<Ins> {
    vec![Ins::plain(RET, 0)]
}

/// A place in a program that is yet to come: jumps lead forwards only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(usize);

enum Op {
    Plain(Ins),
    Jump { code: u16, k: u32, yes: Label, no: Label },
    Place(Label),
}

/// A program that is being written.
#[derive(Default)]
pub(super) struct Code {
    ops: Vec<Op>,
    labels: usize,
}

impl Code {
    /// Makes a label, to be placed later.
    pub(super) fn label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels - 1)
    }

    /// Says that a label is here.
    pub(super) fn place(&mut self, label: Label) {
        self.ops.push(Op::Place(label));
    }

    /// Adds an instruction that is no jump.
    pub(super) fn plain(&mut self, code: u16, k: u32) {
        self.ops.push(Op::Plain(Ins::plain(code, k)));
    }

    /// Loads a byte, half a word or a word into the accumulator.
    pub(super) fn load(&mut self, bytes: u8, at: u32) {
        let size = match bytes {
            1 => 0x10,
            2 => 0x08,
            _ => 0x00,
        };
        self.plain(0x20 | size, at);
    }

    /// Jumps by a condition.
    pub(super) fn jump(&mut self, code: u16, k: u32, yes: Label, no: Label) {
        self.ops.push(Op::Jump { code, k, yes, no });
    }

    /// Jumps.
    pub(super) fn goto(&mut self, to: Label) {
        self.jump(JA, 0, to, to);
    }

    /// Ends the program: of packets that come to `yes` so many bytes are let through, those that come to `no` are not.
    pub(super) fn finish(mut self, yes: Label, no: Label, bytes: u32) -> Result<Vec<Ins>, Fault> {
        self.place(yes);
        self.plain(RET, bytes);
        self.place(no);
        self.plain(RET, 0);
        // A condition leaves out at most 255 instructions. One that leads further has two plain jumps behind it, which makes others longer.
        let mut far = vec![false; self.ops.len()];
        loop {
            let places = self.places(&far);
            let too_far = |at: usize| match &self.ops[at] {
                Op::Jump { code, yes, no, .. } if *code != JA => {
                    let from = places.ops[at] + 1;
                    [yes, no].iter().any(|label| places.labels[label.0] - from > usize::from(u8::MAX))
                }
                _ => false,
            };
            let more: Vec<usize> = (0..self.ops.len()).filter(|at| !far[*at] && too_far(*at)).collect();
            if more.is_empty() {
                return self.write(&far, &places);
            }
            more.into_iter().for_each(|at| far[at] = true);
        }
    }

    fn places(&self, far: &[bool]) -> Places {
        let mut places = Places { ops: Vec::with_capacity(self.ops.len()), labels: vec![0; self.labels] };
        let mut at = 0;
        for (op, far) in self.ops.iter().zip(far) {
            places.ops.push(at);
            match op {
                Op::Place(label) => places.labels[label.0] = at,
                Op::Jump { .. } if *far => at += 3,
                Op::Plain(_) | Op::Jump { .. } => at += 1,
            }
        }
        places
    }

    fn write(&self, far: &[bool], places: &Places) -> Result<Vec<Ins>, Fault> {
        let mut program = Vec::new();
        let distance = |label: &Label, from: usize| places.labels[label.0] - from;
        for (at, op) in self.ops.iter().enumerate() {
            let next = places.ops[at] + 1;
            match op {
                Op::Place(_) => {}
                Op::Plain(instruction) => program.push(*instruction),
                Op::Jump { code: JA, yes, .. } => program.push(Ins::plain(JA, distance(yes, next) as u32)),
                Op::Jump { code, k, yes, no } if far[at] => program.extend([
                    Ins { code: *code, jt: 0, jf: 1, k: *k },
                    Ins::plain(JA, distance(yes, next + 1) as u32),
                    Ins::plain(JA, distance(no, next + 2) as u32),
                ]),
                Op::Jump { code, k, yes, no } => {
                    program.push(Ins { code: *code, jt: distance(yes, next) as u8, jf: distance(no, next) as u8, k: *k });
                }
            }
        }
        match program.len() {
            0..=MOST => Ok(program),
            length => Err(Fault::input(
                "make a program of this filter",
                format!("it would have {length} instructions, and the kernel takes {MOST}"),
            )
            .hint("name prefixes and ranges instead of each host and port")),
        }
    }
}

/// Where the operations and labels of a program are.
struct Places {
    ops: Vec<usize>,
    labels: Vec<usize>,
}
