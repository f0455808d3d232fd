/* SPDX-License-Identifier: BSD-3-Clause */
/* See tcpopt.h. Called for segments of handshakes, and for segments of proxied connections. */
#include "tcpopt.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_tcp.h>

static uint32_t load4(const uint8_t *at)
{
	rte_be32_t v;

	memcpy(&v, at, 4);
	return rte_be_to_cpu_32(v);
}

static void take(struct tcp_options *o, const uint8_t *tcp, uint8_t at)
{
	const uint8_t *option = tcp + at;
	const uint8_t len = option[1];

	switch (option[0]) {
	case TCPOPT_MSS:
		if (len == TCPOPT_LEN_MSS) {
			o->has_mss = true;
			o->mss = (uint16_t)(option[2] << 8 | option[3]);
		}
		break;
	case TCPOPT_WSCALE:
		/* More than 14 is to be taken for 14 (RFC 7323 2.3). */
		if (len == 3)
			o->wscale = RTE_MIN(option[2], (uint8_t)TCPOPT_SCALE_MAX);
		break;
	case TCPOPT_SACK_OK:
		o->sack_ok |= len == 2;
		break;
	case TCPOPT_SACK:
		if (len >= 10 && len % 8 == 2) {
			o->sack_at = at + 2;
			o->sack_blocks = len / 8;
		}
		break;
	case TCPOPT_TIMESTAMP:
		if (len == TCPOPT_LEN_TS) {
			o->has_timestamp = true;
			o->timestamp_at = at + 2;
			o->tsval = load4(option + 2);
			o->tsecr = load4(option + 6);
		}
		break;
	}
}

void tcp_options_read(const uint8_t *tcp, struct tcp_options *o)
{
	const unsigned int end = (tcp[offsetof(struct rte_tcp_hdr, data_off)] >> 4) * 4u;
	unsigned int at = sizeof(struct rte_tcp_hdr);

	*o = (struct tcp_options){ .wscale = TCPOPT_NO_SCALE };
	while (at < end && tcp[at] != TCPOPT_END) {
		if (tcp[at] == TCPOPT_NOP) {
			at++;
			continue;
		}
		if (end - at < 2 || tcp[at + 1] < 2 || tcp[at + 1] > end - at)
			return;
		take(o, tcp, (uint8_t)at);
		at += tcp[at + 1];
	}
}

unsigned int tcp_options_write(uint8_t *out, const struct tcp_options *o)
{
	const rte_be32_t stamps[2] = { rte_cpu_to_be_32(o->tsval), rte_cpu_to_be_32(o->tsecr) };
	uint8_t *p = out;

	if (o->has_mss) {
		*p++ = TCPOPT_MSS;
		*p++ = TCPOPT_LEN_MSS;
		*p++ = (uint8_t)(o->mss >> 8);
		*p++ = (uint8_t)o->mss;
	}
	/* Two bytes, in front of ten. */
	if (o->sack_ok) {
		*p++ = TCPOPT_SACK_OK;
		*p++ = 2;
	}
	if (o->sack_ok != o->has_timestamp) {
		*p++ = TCPOPT_NOP;
		*p++ = TCPOPT_NOP;
	}
	if (o->has_timestamp) {
		*p++ = TCPOPT_TIMESTAMP;
		*p++ = TCPOPT_LEN_TS;
		memcpy(p, stamps, sizeof(stamps));
		p += sizeof(stamps);
	}
	if (o->wscale != TCPOPT_NO_SCALE) {
		*p++ = TCPOPT_NOP;
		*p++ = TCPOPT_WSCALE;
		*p++ = 3;
		*p++ = o->wscale;
	}
	return (unsigned int)(p - out);
}
