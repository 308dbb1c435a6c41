package entry

const sysSetns = 308
