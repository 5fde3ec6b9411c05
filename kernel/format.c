// SPDX-License-Identifier: GPL-2.0-only
/*
 * vsnprintf for the kernel: integers, strings, characters, pointers, and %pS, which prints an
 * address as symbol+offset/size. No floating point, no %n. Builds on the host too.
 * Source: ISO C11 7.21.6.1 for what each conversion means.
 */
#include "kernel/printk.h"

#include "kernel/ksyms.h"
#include "kernel/string.h"

/* Where the text goes; length counts what did not fit, too. */
struct out {
	char *buf;
	size_t size;
	size_t length;
};

/* One conversion: what stands between '%' and its letter. */
struct spec {
	bool left, zero, plus, space, alternate;
	unsigned int width;
	int precision;	   /* -1: none given */
	unsigned int size; /* bytes of the integer argument */
};

static void put(struct out *out, char c)
{
	if (out->length + 1 < out->size)
		out->buf[out->length] = c;
	out->length++;
}

static void put_many(struct out *out, char c, size_t n)
{
	while (n-- > 0)
		put(out, c);
}

/* text, padded with blanks to the width. */
static void put_text(struct out *out, const struct spec *spec, const char *text, size_t n)
{
	size_t pad = spec->width > n ? spec->width - n : 0;

	if (!spec->left)
		put_many(out, ' ', pad);
	for (size_t i = 0; i < n; i++)
		put(out, text[i]);
	if (spec->left)
		put_many(out, ' ', pad);
}

/* Digits of value in base, last one first; returns how many. Precision 0 prints no digit for 0. */
static size_t digits_of(char *digits, uint64_t value, unsigned int base, bool upper)
{
	const char *set = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	size_t n = 0;

	for (; value != 0; value /= base)
		digits[n++] = set[value % base];
	return n;
}

/* prefix (sign or 0x), zeros up to precision or width, digits. */
static void put_number(struct out *out, const struct spec *spec, const char *prefix, uint64_t value,
		       unsigned int base, bool upper)
{
	char digits[24];
	size_t n = digits_of(digits, value, base, upper);
	size_t least = spec->precision >= 0 ? (size_t)spec->precision : 1;
	size_t zeros = least > n ? least - n : 0;
	size_t prefix_length = strlen(prefix);
	size_t total = prefix_length + zeros + n;
	size_t pad = spec->width > total ? spec->width - total : 0;

	if (spec->zero && !spec->left && spec->precision < 0) {
		zeros += pad;
		pad = 0;
	}
	if (!spec->left)
		put_many(out, ' ', pad);
	while (*prefix != '\0')
		put(out, *prefix++);
	put_many(out, '0', zeros);
	while (n > 0)
		put(out, digits[--n]);
	if (spec->left)
		put_many(out, ' ', pad);
}

static void put_signed(struct out *out, const struct spec *spec, int64_t value)
{
	const char *sign = value < 0 ? "-" : spec->plus ? "+" : spec->space ? " " : "";
	uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

	put_number(out, spec, sign, magnitude, 10, false);
}

static void put_hex(struct out *out, const struct spec *spec, uint64_t value, bool upper)
{
	const char *prefix = !spec->alternate || value == 0 ? "" : upper ? "0X" : "0x";

	put_number(out, spec, prefix, value, 16, upper);
}

static void put_string(struct out *out, const struct spec *spec, const char *text)
{
	if (text == NULL)
		text = "(null)";
	put_text(out, spec, text,
		 spec->precision >= 0 ? strnlen(text, (size_t)spec->precision) : strlen(text));
}

static void put_symbol(struct out *out, const struct spec *spec, uintptr_t addr)
{
	char text[128];
	size_t offset, size;
	const char *name = ksym_name(addr, &offset, &size);

	if (name[0] == '?')
		snprintf(text, sizeof(text), "0x%lx", (unsigned long)addr);
	else
		snprintf(text, sizeof(text), "%s+0x%zx/0x%zx", name, offset, size);
	put_string(out, spec, text);
}

/* Flags, width, precision and length modifier; returns the address of the conversion letter. */
static const char *parse_flags(const char *fmt, struct spec *spec)
{
	for (;; fmt++) {
		if (*fmt == '-')
			spec->left = true;
		else if (*fmt == '0')
			spec->zero = true;
		else if (*fmt == '+')
			spec->plus = true;
		else if (*fmt == ' ')
			spec->space = true;
		else if (*fmt == '#')
			spec->alternate = true;
		else
			return fmt;
	}
}

static const char *parse_number(const char *fmt, int *number)
{
	*number = 0;
	for (; *fmt >= '0' && *fmt <= '9'; fmt++)
		*number = *number * 10 + (*fmt - '0');
	return fmt;
}

static const char *parse_length(const char *fmt, struct spec *spec)
{
	spec->size = sizeof(int);
	if (fmt[0] == 'l' || fmt[0] == 'z' || fmt[0] == 'j' || fmt[0] == 't') {
		spec->size = sizeof(long);
		return fmt + (fmt[0] == 'l' && fmt[1] == 'l' ? 2 : 1);
	}
	if (fmt[0] != 'h')
		return fmt;
	spec->size = fmt[1] == 'h' ? sizeof(char) : sizeof(short);
	return fmt + (fmt[1] == 'h' ? 2 : 1);
}

/* The value of an unsigned argument that was promoted to at least an int. */
static uint64_t cut_unsigned(uint64_t value, unsigned int size)
{
	return size == 8 ? value : value & ((1ull << (8 * size)) - 1);
}

static int64_t cut_signed(uint64_t value, unsigned int size)
{
	unsigned int shift = 64 - 8 * size;

	return (int64_t)(value << shift) >> shift;
}

/* A va_list passed on by address: the caller must see how far it was read. */
struct args {
	va_list list;
};

static uint64_t next_integer(struct args *args, const struct spec *spec)
{
	return spec->size == 8 ? va_arg(args->list, uint64_t) : va_arg(args->list, unsigned int);
}

static const char *parse_spec(const char *fmt, struct spec *spec, struct args *args)
{
	int number;

	*spec = (struct spec){.precision = -1};
	fmt = parse_flags(fmt, spec);
	if (*fmt == '*') {
		number = va_arg(args->list, int);
		spec->left = spec->left || number < 0;
		spec->width = number < 0 ? 0 - (unsigned int)number : (unsigned int)number;
		fmt++;
	} else {
		fmt = parse_number(fmt, &number);
		spec->width = (unsigned int)number;
	}
	if (*fmt == '.' && fmt[1] == '*') {
		spec->precision = va_arg(args->list, int);
		fmt += 2;
	} else if (*fmt == '.') {
		fmt = parse_number(fmt + 1, &spec->precision);
	}
	return parse_length(fmt, spec);
}

static void put_integer(struct out *out, const struct spec *spec, char letter, uint64_t value)
{
	if (letter == 'd' || letter == 'i')
		put_signed(out, spec, cut_signed(value, spec->size));
	else if (letter == 'u')
		put_number(out, spec, "", cut_unsigned(value, spec->size), 10, false);
	else if (letter == 'o')
		put_number(out, spec, "", cut_unsigned(value, spec->size), 8, false);
	else
		put_hex(out, spec, cut_unsigned(value, spec->size), letter == 'X');
}

static const char *put_pointer(struct out *out, struct spec *spec, const char *fmt,
			       struct args *args)
{
	uintptr_t addr = (uintptr_t)va_arg(args->list, void *);

	if (fmt[1] == 'S') {
		put_symbol(out, spec, addr);
		return fmt + 2;
	}
	put_number(out, spec, "0x", addr, 16, false);
	return fmt + 1;
}

/* One conversion, fmt just past its '%'; returns where the format goes on. */
static const char *put_conversion(struct out *out, const char *fmt, struct args *args)
{
	struct spec spec;
	char c;

	fmt = parse_spec(fmt, &spec, args);
	switch (*fmt) {
	case 'd':
	case 'i':
	case 'u':
	case 'o':
	case 'x':
	case 'X':
		put_integer(out, &spec, *fmt, next_integer(args, &spec));
		return fmt + 1;
	case 'c':
		c = (char)va_arg(args->list, int);
		put_text(out, &spec, &c, 1);
		return fmt + 1;
	case 's':
		put_string(out, &spec, va_arg(args->list, const char *));
		return fmt + 1;
	case 'p':
		return put_pointer(out, &spec, fmt, args);
	case '%':
		put(out, '%');
		return fmt + 1;
	default: /* not ours: show it, so that the mistake is seen */
		put(out, '%');
		return fmt;
	}
}

int vsnprintf(char *buf, size_t size, const char *fmt, va_list list)
{
	struct out out = {.buf = buf, .size = size};
	struct args args;

	va_copy(args.list, list);
	while (*fmt != '\0') {
		if (*fmt == '%')
			fmt = put_conversion(&out, fmt + 1, &args);
		else
			put(&out, *fmt++);
	}
	va_end(args.list);
	if (size > 0)
		buf[out.length < size ? out.length : size - 1] = '\0';
	return (int)out.length;
}

int snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int length;

	va_start(args, fmt);
	length = vsnprintf(buf, size, fmt, args);
	va_end(args);
	return length;
}
