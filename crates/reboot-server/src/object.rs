//! JSON objects, and nothing that only could be read as one.

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// What an object says. serde alone takes a list for it too, of the fields in their order.
#[derive(Debug)]
pub(crate) struct Object<T>(pub(crate) T);

struct Fields<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wish {
        max: u32,
    }

    #[test]
    fn a_list_is_no_object() {
        let read = serde_json::from_str::<Object<Wish>>;
        assert_eq!(read("{\"max\":3}").unwrap().0.max, 3);
        for (text, told) in [
            ("[3]", "expected an object"),
            ("3", "expected an object"),
            ("null", "expected an object"),
            ("{}", "missing field `max`"),
            ("{\"max\":3,\"min\":1}", "unknown field `min`"),
            ("{\"max\":3,\"max\":4}", "duplicate field `max`"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
