// SPDX-License-Identifier: GPL-2.0-only
/* The only process of the machine that measures Linux: loads the module, which ends the machine. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	int file = open("/percpu_peer.ko", O_RDONLY);

	if (file < 0 || syscall(SYS_finit_module, file, "", 0) != 0)
		perror("init: /percpu_peer.ko");
	for (;;)
		pause();
}
