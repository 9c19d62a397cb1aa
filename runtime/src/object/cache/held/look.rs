//! What tests look at.

use super::*;

impl Held {
    pub(in crate::object::cache) fn bytes(&self) -> u64 {
        self.here + self.coming
    }

    pub(in crate::object::cache) fn unread(&self) -> u64 {
        self.unread
    }

    pub(in crate::object::cache) fn flights(&self) -> Vec<&Arc<Flight>> {
        let coming = self.extents.values().filter_map(|extent| match &extent.content {
            Content::Coming(flight) => Some(flight),
            Content::Here { .. } => None,
        });
        coming.collect()
    }

    /// Nothing is on its way: all sums are right, and within the bound.
    pub(in crate::object::cache) fn check_at_rest(&self) {
        assert_eq!((self.coming, self.ahead), (0, 0));
        assert!(self.here <= self.bytes_max, "{} bytes", self.here);
        let mut behind = None;
        let (mut here, mut unread) = (0, 0);
        for ((of, from), extent) in &self.extents {
            let Content::Here { bytes, used } = &extent.content else { panic!("it is on its way") };
            assert_eq!(bytes.len() as u64, extent.range.len());
            assert_eq!(self.order.get(used), Some(&(*of, *from)));
            assert!(behind.is_none_or(|(before, upto)| before != *of || upto <= *from), "they overlap");
            behind = Some((*of, extent.range.upto));
            here += extent.range.len();
            unread += if extent.unread { extent.range.len() } else { 0 };
        }
        assert_eq!((here, unread, self.extents.len()), (self.here, self.unread, self.order.len()));
    }
}
