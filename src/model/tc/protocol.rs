//! Protocols of the link layer, by their names in tc(8).

/// The tag of a VLAN (IEEE 802.1Q).
pub const VLAN: u16 = 0x8100;
/// The outer of two tags (IEEE 802.1ad).
pub const VLAN_AD: u16 = 0x88a8;
/// Packets of any protocol.
pub const ALL: u16 = 3;
/// IPv4.
pub const IP: u16 = 0x0800;
/// IPv6.
pub const IPV6: u16 = 0x86dd;
/// The address resolution protocol.
pub const ARP: u16 = 0x0806;
/// Its reverse.
pub const RARP: u16 = 0x8035;
/// MPLS to one receiver.
pub const MPLS: u16 = 0x8847;
/// MPLS to several.
pub const MPLS_MC: u16 = 0x8848;
/// A session of PPPoE.
pub const PPP_SES: u16 = 0x8864;

/// The name that is shown for a number stands first.
const NAMES: &[(&str, u16)] = &[
    ("ip", IP),
    ("ipv6", IPV6),
    ("all", ALL),
    ("arp", ARP),
    ("802.1Q", VLAN),
    ("802.1ad", VLAN_AD),
    ("mpls_uc", MPLS),
    ("mpls_mc", MPLS_MC),
    ("ppp_ses", PPP_SES),
    ("ppp_disc", 0x8863),
    ("rarp", RARP),
    ("loop", 0x0060),
    ("pup", 0x0200),
    ("pupat", 0x0201),
    ("x25", 0x0805),
    ("bpq", 0x08ff),
    ("ieeepup", 0x0a00),
    ("ieeepupat", 0x0a01),
    ("dec", 0x6000),
    ("dna_dl", 0x6001),
    ("dna_rc", 0x6002),
    ("dna_rt", 0x6003),
    ("lat", 0x6004),
    ("diag", 0x6005),
    ("cust", 0x6006),
    ("sca", 0x6007),
    ("atalk", 0x809b),
    ("aarp", 0x80f3),
    ("ipx", 0x8137),
    ("atmmpoa", 0x884c),
    ("atmfate", 0x8884),
    ("802_3", 0x0001),
    ("ax25", 0x0002),
    ("802_2", 0x0004),
    ("snap", 0x0005),
    ("ddcmp", 0x0006),
    ("wan_ppp", 0x0007),
    ("ppp_mp", 0x0008),
    ("localtalk", 0x0009),
    ("can", 0x000c),
    ("ppptalk", 0x0010),
    ("tr_802_2", 0x0011),
    ("mobitex", 0x0015),
    ("control", 0x0016),
    ("irda", 0x0017),
    ("econet", 0x0018),
    ("tipc", 0x88ca),
    ("profinet", 0x8892),
    ("aoe", 0x88a2),
    ("ethercat", 0x88a4),
    ("teb", 0x6558),
    ("LLDP", 0x88cc),
    ("ipv4", IP),
];

/// Reads the name of a protocol, or its number.
pub fn read(text: &str) -> Option<u16> {
    let named = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, id)| *id);
    named.or_else(|| super::argv::number(text, 0).and_then(|id| u16::try_from(id).ok()))
}

/// Gives the name of a protocol, or its number where it has none.
pub fn name(id: u16) -> String {
    NAMES.iter().find(|(_, other)| *other == id).map_or_else(|| format!("{id:#06x}"), |(name, _)| (*name).to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_reads_back() {
        for id in (0..=u16::MAX).step_by(7).chain(NAMES.iter().map(|(_, id)| *id)) {
            assert_eq!(read(&name(id)), Some(id));
        }
        assert_eq!((read("IPv6"), read("802.1q"), read("0x86dd")), (Some(IPV6), Some(VLAN), Some(IPV6)));
        assert_eq!((read(""), read("ABCD"), read("65536")), (None, None, None));
    }
}
