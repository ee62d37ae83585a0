"""Uses what numpy and lxml load at run time: linear algebra from OpenBLAS, transformations from libxslt."""

import numpy as np
from lxml import etree

STYLE = """
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="text"/>
  <xsl:template match="/"><xsl:value-of select="sum(//guest)"/></xsl:template>
</xsl:stylesheet>
"""

determinant = np.linalg.det(np.array([[3.0, 1.0], [1.0, 2.0]]))
transform = etree.XSLT(etree.XML(STYLE))
total = transform(etree.XML("<guests><guest>3</guest><guest>4</guest></guests>"))
print(round(determinant), total)
