/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What stands at the other end of COM1: a program on a pipe, or a terminal with somebody before it. Screen and
 * keyboard of the machine itself are a terminal too, once a key was pressed.
 */
#pragma once

#include "kernel/compiler.h"

/* console=tty, or terminal_at_screen was called: escape sequences are understood, and answers may be in
 * colour. */
bool terminal_on(void);
/* Somebody types at the machine. Where COM1 is no terminal, the screen's size counts from now on. */
void terminal_at_screen(void);
/* Its size: 80 columns of 24 rows until it has told another. */
size_t terminal_columns(void);
size_t terminal_rows(void);
void terminal_resize(size_t rows, size_t columns);
