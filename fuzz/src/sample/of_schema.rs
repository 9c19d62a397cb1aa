//! Requests of groups and administration, along their schema: names and numbers are chosen by what the fields are called, so
//! that requests meet each other in the same groups and topics.

use bytes::{BufMut, Bytes, BytesMut};
use evenkeel_core::wire::{
    api::{Api, SERVED},
    schema::{self, Field, Fields, Kind},
};

use super::Sample;

impl Sample<'_, '_> {
    /// A valid body.
    pub(super) fn of_schema(&mut self, api: Api) -> Bytes {
        let served = SERVED.iter().find(|served| served.api == api).expect("the table holds every API");
        let flexible = served.is_flexible(self.version);
        let mut writer = Writer { sample: self, flexible, out: BytesMut::new() };
        writer.fields(schema::request(api));
        writer.out.freeze()
    }
}

struct Writer<'s, 'a, 'b> {
    sample: &'s mut Sample<'a, 'b>,
    flexible: bool,
    out: BytesMut,
}

impl Writer<'_, '_, '_> {
    fn fields(&mut self, fields: Fields) {
        for field in fields {
            assert!(field.tag.is_none(), "no request of these has known tagged fields");
            if field.is_in(self.sample.version) {
                self.field(field);
            }
        }
        if self.flexible {
            self.out.put_u8(0);
        }
    }

    fn field(&mut self, field: &Field) {
        let nullable = field.is_nullable_in(self.sample.version);
        let is_struct = matches!(field.kind, Kind::Struct(_));
        if nullable && self.sample.coin() {
            match field.kind {
                Kind::Struct(_) => self.out.put_i8(-1),
                Kind::String if !self.flexible => self.out.put_i16(-1),
                Kind::Fixed(_) | Kind::Bytes | Kind::Array { .. } if !self.flexible => self.out.put_i32(-1),
                Kind::Fixed(_) | Kind::Bytes | Kind::Array { .. } | Kind::String => self.out.put_u8(0),
            }
            return;
        }
        if nullable && is_struct {
            self.out.put_i8(1);
        }
        self.value(field.name, &field.kind);
    }

    fn value(&mut self, name: &str, kind: &Kind) {
        match kind {
            Kind::Fixed(1) => {
                let kinds: &[u8] = match name {
                    "resource_type" => &[2, 4, 8, 3],
                    "config_operation" => &[0, 1, 2, 3],
                    _ => &[0, 1],
                };
                self.out.put_u8(self.sample.choices.of(kinds));
            }
            Kind::Fixed(4) => {
                let value = match name {
                    "partition_index" | "partition_indexes" | "partitions" => {
                        self.sample.choices.of(&[0, 1, 2, -1, i32::MAX])
                    }
                    "generation_id" | "generation_id_or_member_epoch" => {
                        self.sample.choices.of(&[1, 2, 3, 0, -1, i32::MAX])
                    }
                    "session_timeout_ms" | "rebalance_timeout_ms" => {
                        self.sample.choices.of(&[6_000, 30_000, 300_000, 0, -1])
                    }
                    _ => self.sample.int(),
                };
                self.out.put_i32(value);
            }
            Kind::Fixed(8) => self.out.put_i64(self.sample.number()),
            Kind::Fixed(len) => self.out.put_bytes(0, *len),
            Kind::String => {
                let text = self.text(name);
                self.length(text.len(), true);
                self.out.put_slice(text.as_bytes());
            }
            Kind::Bytes => {
                let bytes = self.sample.choices.some_bytes(60).to_vec();
                self.length(bytes.len(), false);
                self.out.put_slice(&bytes);
            }
            Kind::Struct(fields) => self.fields(fields),
            Kind::Array { element, .. } => {
                let count = self.sample.choices.of(&[1, 0, 2, 3]);
                self.length(count, false);
                for _ in 0..count {
                    self.value(name, element);
                }
            }
        }
    }

    fn text(&mut self, name: &str) -> String {
        let known: &[&str] = match name {
            "group_id" | "groups" | "groups_names" => &["g", "h", ""],
            "protocol_type" => &["consumer", "connect"],
            "protocols" | "protocol_name" => &["range", "sticky"],
            "resource_name" => &["a", "b", "1", ""],
            "configs" | "configuration_keys" | "value" => {
                &["max.message.bytes", "retention.ms", "cleanup.policy", "100", "delete", "x"]
            }
            "states_filter" | "types_filter" => &["Stable", "empty", "classic", "consumer"],
            _ => return self.sample.text().to_string(),
        };
        String::from(self.sample.choices.of(known))
    }

    fn length(&mut self, len: usize, short: bool) {
        if self.flexible {
            let mut value = len + 1;
            while value >= 0x80 {
                self.out.put_u8(u8::try_from(value & 0x7f).expect("seven bits") | 0x80);
                value >>= 7;
            }
            self.out.put_u8(u8::try_from(value).expect("seven bits"));
        } else if short {
            self.out.put_i16(i16::try_from(len).expect("texts are short"));
        } else {
            self.out.put_i32(i32::try_from(len).expect("lists are short"));
        }
    }
}
