/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An interface that the relay is at: a packet socket that takes all that comes in there, and none
 * of what goes out. VLAN tags are lost, because the kernel takes them off before a packet socket
 * sees a frame.
 */
#ifndef RELAY_WIRE_H
#define RELAY_WIRE_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define WIRE_BATCH 64
#define WIRE_FRAME (65536 + 14)

struct wire {
	int fd;
	uint64_t missed;  /* frames that came while the socket was full */
	uint64_t refused; /* frames that the kernel did not send */
	struct mmsghdr msgs[WIRE_BATCH];
	struct iovec iov[WIRE_BATCH];
	uint8_t data[WIRE_BATCH][WIRE_FRAME];
};

/* 0 or -errno. The interface has to be there. Needs CAP_NET_RAW, and CAP_NET_ADMIN for buffers that
 * hold what comes while the relay waits for its core. */
int wire_open(struct wire *w, const char *iface);
void wire_close(struct wire *w);

/* How many frames have come, WIRE_BATCH at most: frame i is data[i], of msgs[i].msg_len bytes. */
unsigned int wire_receive(struct wire *w);

/* Sends n frames, WIRE_BATCH at most; what the kernel refuses is counted, and gone. */
void wire_send(struct wire *w, struct iovec *frames, unsigned int n);

/* Brings `missed` up to date. */
void wire_look(struct wire *w);

#endif
