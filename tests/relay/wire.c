/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <unistd.h>

#include "wire.h"

/* A fifth of a second of full frames at 300 Mbit/s, as the kernel counts them. */
#define BUFFER (16 << 20)

static int set_up(const struct wire *w, int index)
{
	const struct sockaddr_ll at = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = index
	};
	const struct packet_mreq all = { .mr_ifindex = index, .mr_type = PACKET_MR_PROMISC };
	const int one = 1, room = BUFFER;

	if (setsockopt(w->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
		setsockopt(w->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) ||
		setsockopt(w->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
		setsockopt(w->fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) ||
		bind(w->fd, (const struct sockaddr *)&at, sizeof(at)))
		return -errno;
	return 0;
}

int wire_open(struct wire *w, const char *iface)
{
	const int index = (int)if_nametoindex(iface);
	int rc;

	if (!index)
		return -errno;
	/* Of no protocol, so that it takes nothing until it is bound. */
	w->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (w->fd < 0)
		return -errno;
	rc = set_up(w, index);
	if (rc) {
		close(w->fd);
		return rc;
	}
	w->missed = w->refused = 0;
	for (unsigned int i = 0; i < WIRE_BATCH; i++) {
		w->iov[i] = (struct iovec){ w->data[i], sizeof(w->data[i]) };
		w->msgs[i] =
			(struct mmsghdr){ .msg_hdr = { .msg_iov = &w->iov[i], .msg_iovlen = 1 } };
	}
	return 0;
}

void wire_close(struct wire *w)
{
	close(w->fd);
}

unsigned int wire_receive(struct wire *w)
{
	const int n = recvmmsg(w->fd, w->msgs, WIRE_BATCH, MSG_DONTWAIT, NULL);

	return n > 0 ? (unsigned int)n : 0;
}

void wire_send(struct wire *w, struct iovec *frames, unsigned int n)
{
	struct mmsghdr msgs[WIRE_BATCH];

	for (unsigned int i = 0; i < n; i++)
		msgs[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &frames[i], .msg_iovlen = 1 } };
	for (unsigned int i = 0; i < n;) {
		const int sent = sendmmsg(w->fd, msgs + i, n - i, MSG_DONTWAIT);

		/* The first of those left is the one that could not be sent. */
		w->refused += sent <= 0;
		i += sent > 0 ? (unsigned int)sent : 1;
	}
}

void wire_look(struct wire *w)
{
	struct tpacket_stats stats;
	socklen_t len = sizeof(stats);

	/* The kernel begins at 0 again after each look. */
	if (getsockopt(w->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) == 0)
		w->missed += stats.tp_drops;
}
