// A message that tries what mail can try: scripts, handlers, addresses that are loaded, forms, frames.

/** Everything that it wants to load or send to lies here. */
export const FOREIGN = 'evil.example'
export const SUBJECT = 'Invoice <img src=x onerror="window.hacked=1">'

export const MESSAGE = [
  `From: "<script>top.hacked=1</script>" <eve@${FOREIGN}>`,
  'To: Ada <ada@contoso.example>',
  `Subject: ${SUBJECT}`,
  'Date: Mon, 2 Mar 2026 08:00:00 +0000',
  `Message-ID: <1@${FOREIGN}>`,
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary=b',
  '',
  '--b',
  'Content-Type: text/html',
  '',
  `<base href="https://${FOREIGN}/"><meta http-equiv="refresh" content="0;url=https://${FOREIGN}/">`,
  `<link rel="stylesheet" href="https://${FOREIGN}/a.css"><style>@import url(https://${FOREIGN}/b.css);`,
  `p { background: url(https://${FOREIGN}/c.png) }</style>`,
  '<p onclick="top.hacked=1" onmouseover="top.hacked=1">Dear <b>customer</b></p>',
  '<script>top.hacked=1; parent.postMessage("hacked", "*")</script>',
  `<img src="https://${FOREIGN}/p.gif" onerror="top.hacked=1"><img src=x onerror="top.hacked=1">`,
  `<svg onload="top.hacked=1"><image href="https://${FOREIGN}/d.svg"/></svg>`,
  `<iframe src="https://${FOREIGN}/" srcdoc="<script>top.hacked=1</script>"></iframe>`,
  `<video src="https://${FOREIGN}/e.mp4" autoplay></video><object data="https://${FOREIGN}/f"></object>`,
  `<form action="https://${FOREIGN}/"><input name=password autofocus onfocus="top.hacked=1"></form>`,
  '<a href="javascript:top.hacked=1">Pay</a>',
  '--b',
  'Content-Type: text/html; name="bill.html"',
  'Content-Disposition: attachment; filename="bill.html"',
  '',
  '<script>window.hacked=1</script>',
  '--b--',
  '',
].join('\r\n')
