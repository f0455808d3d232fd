/* SPDX-License-Identifier: BSD-3-Clause */
#include "pieces.h"

#include <string.h>

#include "frame.h"

#define ETH 14

static uint32_t get2(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static void set2(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* What a fragment says of itself. */
struct said {
	uint32_t off, len;
	bool more;
	size_t head; /* Ethernet and IP headers */
	size_t frag; /* IPv6: length of the fragment header behind them */
	uint8_t key[41];
};

static bool look4(const uint8_t *l3, size_t len, struct said *s)
{
	const size_t ihl = (size_t)(l3[0] & 15) * 4;

	if (len < 20 || len < ihl || get2(l3 + 2) != len || !(get2(l3 + 6) & 0x3fff))
		return false;
	*s = (struct said){ .off = (get2(l3 + 6) & 0x1fff) * 8,
		.len = (uint32_t)(len - ihl),
		.more = get2(l3 + 6) & 0x2000,
		.head = ETH + ihl };
	memcpy(s->key, l3 + 12, 8);
	memcpy(s->key + 32, l3 + 4, 2);
	s->key[36] = l3[9];
	return true;
}

static bool look6(const uint8_t *l3, size_t len, struct said *s)
{
	size_t off = 40;
	uint8_t next;

	if (len < 40 || 40 + get2(l3 + 4) != len)
		return false;
	for (next = l3[6]; next == 0 || next == 43 || next == 60;) {
		if (off + 8 > len)
			return false;
		next = l3[off];
		off += ((size_t)l3[off + 1] + 1) * 8;
	}
	if (next != 44 || off + 8 > len || !(get2(l3 + off + 2) & 0xfff9))
		return false;
	*s = (struct said){ .off = get2(l3 + off + 2) & 0xfff8,
		.len = (uint32_t)(len - off - 8),
		.more = l3[off + 3] & 1,
		.head = ETH + off,
		.frag = 8 };
	memcpy(s->key, l3 + 8, 32);
	memcpy(s->key + 32, l3 + off + 4, 4);
	return true;
}

static bool look(const uint8_t *frame, size_t len, struct said *s)
{
	if (len < ETH + 20)
		return false;
	if (get2(frame + 12) == 0x0800 && look4(frame + ETH, len - ETH, s))
		s->key[40] = 4;
	else if (get2(frame + 12) == 0x86dd && look6(frame + ETH, len - ETH, s))
		s->key[40] = 6;
	else
		return false;
	return true;
}

bool pieces_is_fragment(const uint8_t *frame, size_t len)
{
	struct said s;

	return look(frame, len, &s);
}

static struct whole *whole_of(struct pieces *p, const struct said *s)
{
	struct whole *free = NULL;

	for (unsigned int i = 0; i < PIECES_MAX; i++) {
		if (!p->whole[i].used)
			free = &p->whole[i];
		else if (memcmp(p->whole[i].key, s->key, sizeof(s->key)) == 0)
			return &p->whole[i];
	}
	if (free) {
		memset(free, 0, sizeof(*free));
		free->used = true;
		memcpy(free->key, s->key, sizeof(s->key));
	}
	return free;
}

/* The header of the whole datagram, made of the first fragment's. */
static void write_head(struct whole *w, const uint8_t *frame, const struct said *s)
{
	size_t last = ETH + 6;

	w->head = s->head;
	memcpy(w->data, frame, s->head);
	if (!s->frag) {
		w->data[ETH + 6] &= 0x40;
		w->data[ETH + 7] = 0;
		return;
	}
	for (size_t off = ETH + 40; off < s->head; off += ((size_t)frame[off + 1] + 1) * 8)
		last = off;
	w->data[last] = frame[s->head];
}

/* The payload is collected at PAYLOAD, for the length of the header comes with the first fragment
 * alone. */
#define PAYLOAD 256

static const char *keep(struct whole *w, const uint8_t *frame, size_t len, const struct said *s)
{
	const uint32_t end = s->off + s->len;

	if (s->len == 0 || (s->more && s->len % 8))
		return "fragment of an odd length";
	if (end > 65535 - 20 || (w->total && end > w->total) || (!s->more && w->total))
		return "fragment beyond the end";
	for (uint32_t i = s->off / 8; i < (end + 7) / 8; i++) {
		if (w->have[i])
			return "fragments overlap";
		w->have[i] = true;
	}
	if (PAYLOAD + end > sizeof(w->data))
		return "datagram too long";
	memcpy(w->data + PAYLOAD + s->off, frame + s->head + s->frag, s->len);
	if (s->off == 0)
		write_head(w, frame, s);
	if (!s->more)
		w->total = end;
	w->got += s->len;
	w->n++;
	if (len - ETH > w->longest)
		w->longest = (uint32_t)(len - ETH);
	return w->total && w->got > w->total ? "fragment beyond the end" : NULL;
}

struct whole *pieces_add(
	struct pieces *p, const uint8_t *frame, size_t len, size_t *whole_len, const char **wrong)
{
	struct whole *w;
	struct said s;

	*wrong = "no fragment";
	if (!look(frame, len, &s))
		return NULL;
	w = whole_of(p, &s);
	*wrong = "too many datagrams at once";
	if (!w)
		return NULL;
	*wrong = keep(w, frame, len, &s);
	if (*wrong || !w->total || w->got < w->total || !w->head)
		return NULL;
	memmove(w->data + w->head, w->data + PAYLOAD, w->total);
	*whole_len = w->head + w->total;
	if (s.key[40] == 4) {
		set2(w->data + ETH + 2, *whole_len - ETH);
		set2(w->data + ETH + 10, 0);
		set2(w->data + ETH + 10, frame_cksum(frame_sum(0, w->data + ETH, w->head - ETH)));
	} else {
		set2(w->data + ETH + 4, *whole_len - ETH - 40);
	}
	w->used = false;
	return w;
}

static size_t cut_head(
	uint8_t *to, const uint8_t *frame, size_t off, size_t n, bool more, uint32_t id)
{
	uint8_t *l3 = to + ETH;

	if (get2(frame + 12) == 0x0800) {
		memcpy(to, frame, ETH + 20);
		set2(l3 + 2, 20 + n);
		set2(l3 + 4, id & 0xffff);
		set2(l3 + 6, (get2(l3 + 6) & 0x4000) | off / 8 | (more ? 0x2000u : 0));
		set2(l3 + 10, 0);
		set2(l3 + 10, frame_cksum(frame_sum(0, l3, 20)));
		return ETH + 20;
	}
	memcpy(to, frame, ETH + 40);
	set2(l3 + 4, 8 + n);
	l3[40] = l3[6];
	l3[6] = 44;
	l3[41] = 0;
	set2(l3 + 42, off | more);
	set2(l3 + 44, id >> 16);
	set2(l3 + 46, id & 0xffff);
	return ETH + 48;
}

unsigned int pieces_cut(const uint8_t *frame, size_t len, size_t each, uint32_t id,
	struct piece *out, unsigned int max)
{
	const size_t head = ETH + (get2(frame + 12) == 0x0800 ? 20 : 40);
	unsigned int n = 0;

	for (size_t off = 0; head + off < len && n < max; off += each, n++) {
		const size_t rest = len - head - off, take = rest < each ? rest : each;
		const size_t at = cut_head(out[n].data, frame, off, take, rest > take, id);

		memcpy(out[n].data + at, frame + head + off, take);
		out[n].len = at + take;
	}
	return n;
}
