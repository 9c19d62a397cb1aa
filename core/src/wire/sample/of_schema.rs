//! The body of a request as its schema says: what the schema and the decoder take for different things shows here.

use bytes::{BufMut, Bytes, BytesMut};

use super::Dice;
use crate::wire::{
    api::{Api, SERVED},
    schema::{self, Field, Fields, Kind},
};

/// A valid body with random content.
pub(super) fn body(dice: &mut Dice, api: Api, version: i16) -> Bytes {
    let served = SERVED.iter().find(|served| served.api == api).expect("the table holds every API");
    let mut writer = Writer { dice, version, flexible: served.is_flexible(version), out: BytesMut::new() };
    writer.fields(schema::request(api));
    writer.out.freeze()
}

struct Writer<'a> {
    dice: &'a mut Dice,
    version: i16,
    flexible: bool,
    out: BytesMut,
}

impl Writer<'_> {
    fn fields(&mut self, fields: Fields) {
        for field in fields {
            assert!(field.tag.is_none(), "no request of these has known tagged fields");
            if field.is_in(self.version) {
                self.field(field);
            }
        }
        if self.flexible {
            self.out.put_u8(0);
        }
    }

    fn field(&mut self, field: &Field) {
        let nullable = field.is_nullable_in(self.version);
        if nullable && self.dice.coin() {
            match field.kind {
                Kind::Struct(_) => self.out.put_i8(-1),
                _ if self.flexible => self.out.put_u8(0),
                Kind::String => self.out.put_i16(-1),
                Kind::Fixed(_) | Kind::Bytes | Kind::Array { .. } => self.out.put_i32(-1),
            }
            return;
        }
        if nullable && matches!(field.kind, Kind::Struct(_)) {
            self.out.put_i8(1);
        }
        self.value(&field.kind);
    }

    fn value(&mut self, kind: &Kind) {
        match kind {
            // Most of them are flags, of which only 0 and 1 come back as they were.
            Kind::Fixed(1) => self.out.put_u8(self.dice.coin().into()),
            Kind::Fixed(len) => {
                for _ in 0..*len {
                    self.out.put_u8(self.dice.roll() as u8);
                }
            }
            Kind::String => {
                let text = self.dice.text();
                self.length(text.len(), true);
                self.out.put_slice(text.as_bytes());
            }
            Kind::Bytes => {
                let bytes = self.dice.bytes(99);
                self.length(bytes.len(), false);
                self.out.put_slice(&bytes);
            }
            Kind::Struct(fields) => self.fields(fields),
            Kind::Array { element, .. } => {
                let count = self.dice.below(4) as usize;
                self.length(count, false);
                for _ in 0..count {
                    self.value(element);
                }
            }
        }
    }

    fn length(&mut self, len: usize, short: bool) {
        if self.flexible {
            let mut value = len + 1;
            while value >= 0x80 {
                self.out.put_u8(value as u8 | 0x80);
                value >>= 7;
            }
            self.out.put_u8(value as u8);
        } else if short {
            self.out.put_i16(i16::try_from(len).expect("texts are short"));
        } else {
            self.out.put_i32(i32::try_from(len).expect("lists are short"));
        }
    }
}
