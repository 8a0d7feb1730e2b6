"""The lesson as a site: pages in Markdown, code and figures pulled in when it is built."""
