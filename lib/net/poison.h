/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Makes AddressSanitizer see reads and writes beyond a packet: the room of an mbuf that holds none
 * of the packet is poisoned. In builds without -fsanitize=address nothing is left of it.
 *
 *   pkt_poison(m)     after receiving (worker, with X_ASSERT), and again whenever a packet became
 *                     shorter (parse.c after trimming)
 *   pkt_unpoison(m)   before the packet grows (a link header or VLAN tag in front, anything
 *                     appended, rte_pktmbuf_linearize()), and before it leaves us: to a driver, a
 *                     ring, rte_pktmbuf_free()
 *
 * Both treat all segments; both may be repeated. Buffers shared with other mbufs are left alone.
 * The tail is exact to the byte; of the room in front up to 7 bytes next to the packet stay
 * accessible, for the sanitizer's shadow counts in eights.
 */
#ifndef NET_POISON_H
#define NET_POISON_H

#include <rte_mbuf.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)

#include <sanitizer/asan_interface.h>

static inline void pkt_unpoison(struct rte_mbuf *m)
{
	for (; m; m = m->next)
		if (RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1)
			ASAN_UNPOISON_MEMORY_REGION(m->buf_addr, m->buf_len);
}

static inline void pkt_poison(struct rte_mbuf *m)
{
	pkt_unpoison(m);
	for (; m; m = m->next) {
		if (!RTE_MBUF_DIRECT(m) || rte_mbuf_refcnt_read(m) != 1)
			continue;
		ASAN_POISON_MEMORY_REGION(m->buf_addr, m->data_off);
		ASAN_POISON_MEMORY_REGION(
			rte_pktmbuf_mtod_offset(m, char *, m->data_len), rte_pktmbuf_tailroom(m));
	}
}

#else

static inline void pkt_unpoison(struct rte_mbuf *m)
{
	(void)m;
}

static inline void pkt_poison(struct rte_mbuf *m)
{
	(void)m;
}

#endif
#endif
