use super::*;

#[test]
fn a_preamble_is_read_and_taken() {
    let mut bytes: &[u8] = &[0, 18, 0, 3, 0xff, 0, 0, 1, 9];
    let preamble = Preamble::take(&mut bytes);
    assert_eq!(preamble, Some(Preamble { api_key: 18, version: 3, correlation_id: -0x00ff_ffff }));
    assert_eq!(bytes, [9]);
    assert_eq!(Preamble::take(&mut &[0; 7][..]), None);
}

#[test]
fn client_ids_may_be_null_or_empty_but_not_longer_than_the_frame() {
    let rest = |bytes: &[u8], flexible| {
        let mut rest = bytes;
        take_client_id(&mut rest, flexible).map(|_| rest.len())
    };
    assert_eq!(rest(&[0xff, 0xff, 7], false), Some(1));
    assert_eq!(rest(&[0, 0, 7], false), Some(1));
    assert_eq!(rest(&[0, 2, b'a', b'b'], false), Some(0));
    assert_eq!(rest(&[0, 3, b'a', b'b'], false), None);
    assert_eq!(rest(&[0xff, 0xfe], false), None);
    assert_eq!(rest(&[0], false), None);
    assert_eq!(rest(&[0xff, 0xff, 0, 7], true), Some(1));
    assert_eq!(rest(&[0xff, 0xff, 1, 4, 2, 1, 2, 7], true), Some(1));
    assert_eq!(rest(&[0xff, 0xff, 1, 4, 9, 1], true), None);
    assert_eq!(rest(&[0xff, 0xff], true), None);
}
