// SPDX-License-Identifier: GPL-2.0-only
/*
 * The Multiboot2 information: a 8-byte head with the total size, then tags, each with type and size
 * and padded to 8 bytes, up to the end tag. Nothing here trusts a length: a tag must lie inside the
 * structure, a field inside its tag. All reads are copies, so nothing needs to be aligned.
 * Source: Multiboot2 specification 2.0, section 3.6; ACPI 6.4 section 5.2.5.3 (root pointer).
 */
#include "boot/multiboot2.h"

#include "kernel/string.h"

enum {
	TAG_END = 0,
	TAG_CMDLINE = 1,
	TAG_MODULE = 3,
	TAG_MEMORY_MAP = 6,
	TAG_FRAMEBUFFER = 8,
	TAG_ACPI_OLD = 14,
	TAG_ACPI_NEW = 15
};

struct mb2_head {
	uint32_t total_size; /* of the whole structure, this head included */
	uint32_t reserved;
};

struct mb2_tag {
	uint32_t type;
	uint32_t size; /* of the tag with this head, without the padding */
};

struct mb2_module {
	struct mb2_tag tag;
	uint32_t start, end; /* physical, half-open; a string follows */
};

struct mb2_memory_map {
	struct mb2_tag tag;
	uint32_t entry_size; /* of each entry; may be more than this file knows */
	uint32_t entry_version;
};

struct mb2_memory_entry {
	uint64_t base, length;
	uint32_t type;
	uint32_t reserved;
};

struct mb2_framebuffer {
	struct mb2_tag tag;
	uint64_t address;
	uint32_t pitch, width, height;
	uint8_t bits, type;
	uint16_t reserved; /* the colours follow, as the type has them */
};

enum { MB2_FRAMEBUFFER_RGB = 1, MB2_FRAMEBUFFER_TEXT = 2 };

struct mb2_colours {
	struct boot_colour red, green, blue; /* position, then size */
};

enum { RSDP_OLD_SIZE = 20, RSDP_NEW_SIZE = 36 };

/* One tag inside the structure. */
struct tag_view {
	const uint8_t *bytes; /* its head */
	size_t size;	      /* with the head */
	uint32_t type;
};

/*
 * The string at offset `from` of a tag: copied to dst, cut to its size. False if the tag ends
 * before the string does.
 */
static bool tag_string(const struct tag_view *tag, size_t from, char *dst, size_t dst_size)
{
	const char *text = (const char *)tag->bytes + from;
	size_t room = tag->size - from, length = strnlen(text, room);

	if (length == room)
		return false;
	length = min(length, dst_size - 1);
	memcpy(dst, text, length);
	dst[length] = '\0';
	return true;
}

static const char *parse_cmdline(const struct tag_view *tag, struct boot_info *out)
{
	if (!tag_string(tag, sizeof(struct mb2_tag), out->cmdline, sizeof(out->cmdline)))
		return "command line without an end";
	return NULL;
}

/* A module's string is what stands after `module2` in grub.cfg, without the file name in GRUB 2. */
static const char *parse_module(const struct tag_view *tag, struct boot_info *out)
{
	struct mb2_module head;
	struct boot_module *module = &out->modules[out->nr_modules];

	if (tag->size < sizeof(head))
		return "module tag too short";
	memcpy(&head, tag->bytes, sizeof(head));
	if (head.end < head.start)
		return "module ends before it starts";
	if (out->nr_modules == BOOT_MAX_MODULES)
		return "more modules than there is room for";
	if (!tag_string(tag, sizeof(head), module->cmdline, sizeof(module->cmdline)))
		return "module command line without an end";
	module->start = head.start;
	module->end = head.end;
	out->nr_modules++;
	return NULL;
}

/* Regions of one type that touch become one: firmware may hand out hundreds of pieces. */
static const char *add_region(const struct mb2_memory_entry *entry, struct boot_info *out)
{
	struct boot_region *last = out->nr_regions > 0 ? &out->regions[out->nr_regions - 1] : NULL;
	phys_addr_t end;

	/* Some firmware describes "up to the end" by a length that wraps. */
	if (__builtin_add_overflow(entry->base, entry->length, &end))
		end = UINT64_MAX;
	if (end == entry->base)
		return NULL;
	if (last != NULL && last->type == entry->type && last->end == entry->base) {
		last->end = end;
		return NULL;
	}
	if (out->nr_regions == BOOT_MAX_REGIONS)
		return "more memory regions than there is room for";
	out->regions[out->nr_regions++] =
		(struct boot_region){.start = entry->base, .end = end, .type = entry->type};
	return NULL;
}

static const char *parse_memory_map(const struct tag_view *tag, struct boot_info *out)
{
	struct mb2_memory_map head;
	struct mb2_memory_entry entry;

	if (tag->size < sizeof(head))
		return "memory map tag too short";
	memcpy(&head, tag->bytes, sizeof(head));
	if (head.entry_size < sizeof(entry) || head.entry_size % 8 != 0)
		return "memory map with a bad entry size";
	if ((tag->size - sizeof(head)) % head.entry_size != 0)
		return "memory map does not end with an entry";
	for (size_t at = sizeof(head); at < tag->size; at += head.entry_size) {
		memcpy(&entry, tag->bytes + at, sizeof(entry));
		const char *error = add_region(&entry, out);

		if (error != NULL)
			return error;
	}
	return NULL;
}

/* The new pointer (ACPI 2.0 and later) wins over the old one, whichever comes first. */
static const char *parse_rsdp(const struct tag_view *tag, struct boot_info *out)
{
	bool is_new = tag->type == TAG_ACPI_NEW;
	size_t size = is_new ? RSDP_NEW_SIZE : RSDP_OLD_SIZE;
	const uint8_t *rsdp = tag->bytes + sizeof(struct mb2_tag);

	if (tag->size < sizeof(struct mb2_tag) + size)
		return "ACPI root pointer tag too short";
	if (out->has_rsdp && !is_new)
		return NULL;
	memset(out->rsdp, 0, sizeof(out->rsdp));
	memcpy(out->rsdp, rsdp, size);
	out->has_rsdp = true;
	return NULL;
}

/* A type that is not known, such as a palette, is no framebuffer for us. */
static const char *parse_framebuffer(const struct tag_view *tag, struct boot_info *out)
{
	struct mb2_framebuffer head;
	struct mb2_colours colours = {0};
	enum boot_framebuffer_type type = FRAMEBUFFER_TEXT;

	if (tag->size < sizeof(head))
		return "framebuffer tag too short";
	memcpy(&head, tag->bytes, sizeof(head));
	if (head.type == MB2_FRAMEBUFFER_RGB) {
		if (tag->size < sizeof(head) + sizeof(colours))
			return "framebuffer tag without its colours";
		memcpy(&colours, tag->bytes + sizeof(head), sizeof(colours));
		type = FRAMEBUFFER_RGB;
	} else if (head.type != MB2_FRAMEBUFFER_TEXT) {
		return NULL;
	}
	out->framebuffer = (struct boot_framebuffer){.type = type,
						     .address = head.address,
						     .pitch = head.pitch,
						     .width = head.width,
						     .height = head.height,
						     .bits = head.bits,
						     .red = colours.red,
						     .green = colours.green,
						     .blue = colours.blue};
	return NULL;
}

static const char *parse_tag(const struct tag_view *tag, struct boot_info *out)
{
	switch (tag->type) {
	case TAG_CMDLINE:
		return parse_cmdline(tag, out);
	case TAG_MODULE:
		return parse_module(tag, out);
	case TAG_MEMORY_MAP:
		return parse_memory_map(tag, out);
	case TAG_FRAMEBUFFER:
		return parse_framebuffer(tag, out);
	case TAG_ACPI_OLD:
	case TAG_ACPI_NEW:
		return parse_rsdp(tag, out);
	default:
		return NULL; /* the loader may tell more than we ask */
	}
}

/* The tag at offset `at`, which it fills in, or what is wrong with it. */
static const char *view_tag(const uint8_t *info, size_t total, size_t at, struct tag_view *tag)
{
	struct mb2_tag head;

	if (at > total || total - at < sizeof(head))
		return "no end tag";
	memcpy(&head, info + at, sizeof(head));
	if (head.size < sizeof(head))
		return "tag smaller than its head";
	if (head.size > total - at)
		return "tag runs past the end";
	*tag = (struct tag_view){.bytes = info + at, .size = head.size, .type = head.type};
	return NULL;
}

const char *multiboot2_parse(const void *info, size_t size, struct boot_info *out)
{
	struct mb2_head head;
	struct tag_view tag;
	const char *error = NULL;

	memset(out, 0, sizeof(*out));
	if (size < sizeof(head))
		return "information smaller than its head";
	memcpy(&head, info, sizeof(head));
	if (head.total_size < sizeof(head) || head.total_size > size)
		return "bad total size";
	for (size_t at = sizeof(head); error == NULL; at += ALIGN_UP((size_t)tag.size, 8)) {
		error = view_tag(info, head.total_size, at, &tag);
		if (error != NULL || tag.type == TAG_END)
			break;
		error = parse_tag(&tag, out);
	}
	if (error == NULL && out->nr_regions == 0)
		error = "no memory map tag";
	return error;
}
