# A program with sockets of all kinds, which tries them all when it is asked to, and says which of them still reach somebody.
use strict; use warnings; use IO::Socket::IP; use IO::Select; $| = 1; $SIG{PIPE} = 'IGNORE';
my ($host, $own) = @ARGV; $0 = "victim-$$";
sub tcp { IO::Socket::IP->new(PeerHost => $host, PeerPort => 80, Timeout => 0.4) }
sub udp { IO::Socket::IP->new(Proto => 'udp', Type => SOCK_DGRAM, LocalHost => $own, LocalPort => shift, PeerHost => $host, PeerPort => 90) }
sub asks {
    my $it = shift or return 0;
    my ($reads, $word) = (IO::Select->new($it), '');
    while ($reads->can_read(0)) { $it->sysread($word, 99) or return 0 }
    defined $it->syswrite('who') && $reads->can_read(0.4) && $it->sysread($word, 99) ? 1 : 0;
}
my ($tcp, $udp) = (tcp(), udp(7001));
my $heard = IO::Socket::IP->new(Proto => 'udp', Type => SOCK_DGRAM, LocalHost => $own, LocalPort => 7003) or die;
my $listener = IO::Socket::IP->new(LocalHost => $own, LocalPort => 7002, Listen => 5, ReuseAddr => 1) or die;
print "ready\n";
while (my $line = <STDIN>) {
    my $hears = 0;
    while (IO::Select->new($heard)->can_read(0)) { $heard->recv(my $word, 99); $hears = 1 }
    my $child = open(my $from, '-|') // die;
    if (!$child) { print asks(udp(0)); exit }
    my $says = <$from>; close $from;
    print join(' ', 'tcp=' . asks($tcp), 'new-tcp=' . asks(tcp()), 'udp=' . asks($udp), 'new-udp=' . asks(udp(0)), "hears=$hears", "child=$says"), "\n";
}
